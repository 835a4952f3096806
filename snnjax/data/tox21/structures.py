"""What RDKit says of structures: circular substructures, keys, descriptors. Slow: 5 ms each.

Klambauer et al. 2017 had features of their own for the same compounds (ECFP10, DFS6, DFS8, 801
descriptors). Here are ECFP10 counts, not folded, as wide as theirs: what is rare is left out later.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnjax.data.catalog import DataError

RADIUS = 5
"""Bonds around an atom: ECFP10 has substructures up to 10 bonds across."""
KEYS = 167
"""MACCS keys; number 0 is never set."""


class Part(NamedTuple):
    """What some compounds are like; those without a structure have no substructures.

    Attributes:
        descriptors: (compounds, descriptors) float64, NaN where one is not defined.
        keys: (compounds, KEYS) bool.
        identifiers: (all,) uint32, the substructures of the first compound, of the second, ...
        counts: (all,) uint32, how often each is in that compound.
        sizes: (compounds,) int64, how many each compound has.
        is_lenient: (compounds,) parsed without checking the valences of atoms.
        is_missing: (compounds,) not parsed.
    """

    descriptors: NDArray[np.float64]
    keys: NDArray[np.bool_]
    identifiers: NDArray[np.uint32]
    counts: NDArray[np.uint32]
    sizes: NDArray[np.int64]
    is_lenient: NDArray[np.bool_]
    is_missing: NDArray[np.bool_]


def version() -> str:
    """Return the version of RDKit.

    Raises:
        DataError: It is not installed.
    """
    try:
        import rdkit
    except ImportError:
        raise DataError(
            "data.name=tox21: RDKit, which computes the features, is not installed; install it "
            "with pip install 'snnjax[chemistry]', or take DeepTox's files: data.features=deeptox"
        ) from None
    return str(rdkit.__version__)


def describe(smiles: Sequence[str]) -> Part:
    """Compute the features of compounds.

    Args:
        smiles: Their structures.
    """
    from rdkit import rdBase

    with rdBase.BlockLogs():
        parsed = [_parse(text) for text in smiles]
        found = [_substructures(molecule) for molecule, _ in parsed]
        return Part(
            descriptors=np.array([_descriptors(molecule) for molecule, _ in parsed]),
            keys=np.array([_keys(molecule) for molecule, _ in parsed]),
            identifiers=np.array([key for own in found for key in own], dtype=np.uint32),
            counts=np.array([count for own in found for count in own.values()], dtype=np.uint32),
            sizes=np.array([len(own) for own in found], dtype=np.int64),
            is_lenient=np.array([is_lenient for _, is_lenient in parsed]),
            is_missing=np.array([molecule is None for molecule, _ in parsed]),
        )


def _parse(text: str) -> tuple[Any, bool]:
    """Return a molecule, or None; and whether valences that RDKit does not know were let pass."""
    from rdkit import Chem

    if not text.strip():
        return None, False
    molecule = Chem.MolFromSmiles(text)
    if molecule is not None:
        return molecule, False
    molecule = Chem.MolFromSmiles(text, sanitize=False)
    if molecule is None:
        return None, False
    try:
        molecule.UpdatePropertyCache(strict=False)
        Chem.SanitizeMol(molecule, Chem.SANITIZE_ALL ^ Chem.SANITIZE_PROPERTIES)
    except ValueError:  # all that RDKit raises of molecules is one
        return None, False
    return molecule, True


def _descriptors(molecule: Any) -> list[float]:
    from rdkit.Chem import Descriptors

    if molecule is None:
        return [math.nan] * len(Descriptors.descList)
    own = Descriptors.CalcMolDescriptors(molecule, missingVal=math.nan, silent=True)
    return [value if math.isfinite(value) else math.nan for value in own.values()]


def _keys(molecule: Any) -> list[bool]:
    from rdkit.Chem import rdMolDescriptors

    if molecule is None:
        return [False] * KEYS
    return [bool(bit) for bit in rdMolDescriptors.GetMACCSKeysFingerprint(molecule)]


def _substructures(molecule: Any) -> dict[int, int]:
    from rdkit.Chem import rdFingerprintGenerator

    if molecule is None:
        return {}
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS)
    own: dict[int, int] = generator.GetSparseCountFingerprint(molecule).GetNonzeroElements()
    return own
