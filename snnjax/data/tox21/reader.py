"""The data set `tox21`: labels and split of the challenge, features of either origin."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from snnjax.data.content import Content
from snnjax.data.tox21 import computed, deeptox, preparation, structures, table

if TYPE_CHECKING:
    from snnjax.config.schema import DataConfig


def read(config: "DataConfig") -> Content:
    """Read the challenge: 12,707 compounds, 12 labels, 647 test rows; fold k validates in fold k.

    Raises:
        DataError: A file is missing, damaged or not the published one, or RDKit is missing.
    """
    is_computed = config.features == "rdkit"
    if is_computed:
        structures.version()  # what is missing is said before any file is asked for
    compounds = table.read(config.root, needs_smiles=is_computed)
    if is_computed:
        raw = computed.features(compounds.smiles or ())
    else:
        raw = deeptox.features(config.root, compounds)
    return Content(
        task="multilabel",
        features=raw.dense,
        targets=compounds.targets,
        outputs=len(table.TASKS),
        test=compounds.test,
        validation=compounds.validation,
        tasks=table.TASKS,
        sparse=raw.sparse,
        prepare=_prepare,
    )


def _prepare(content: Content, train: NDArray[np.int32]) -> NDArray[np.float64]:
    return preparation.prepare(content.features.astype(np.float64), content.sparse, train)
