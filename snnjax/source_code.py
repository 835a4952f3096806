"""The source code that a run is made by as a digest, so that results and programs know it."""

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

_INSTALLED, _LIBRARY = {"site-packages", "dist-packages"}, sysconfig.get_path("stdlib")
# The package has its digest; its modules lie beside one's own where one works in a checkout.
_DIGESTED = {"snnjax", "hydra_plugins"}


@cache
def package_digest() -> str:
    """Return the SHA-256 digest of every module of the package, in hexadecimal digits."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def digest_with(modules: tuple[str, ...]) -> str:
    """Return the digest of the package together with modules of one's own, not imported for it.

    To a module belong those that it imports from the folder that it lies in, or that its package
    lies in, and what they import from there. Of an installed one its own file and package must do.

    Args:
        modules: Names, with their packages.
    """
    if not modules:
        return package_digest()
    digest = hashlib.sha256(package_digest().encode())
    for name, path in sorted(set(_all_files(modules))):
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()


def _all_files(modules: Iterable[str]) -> Iterator[tuple[str, Path]]:
    for module in modules:
        # Whatever is wrong with a module is said where it is imported.
        with suppress(ImportError, OSError, ValueError):
            top = importlib.util.find_spec(module.partition(".")[0])
            places = [*(top.submodule_search_locations or [top.origin or ""])] if top else []
            for folder in {Path(place).absolute().parent for place in places}:
                yield from _files(module, folder).items()


def _files(module: str, folder: Path) -> dict[str, Path]:
    """Return the files of a module and of those it takes along from a folder, by their names."""
    is_installed = bool(_INSTALLED & set(folder.parts)) or folder.is_relative_to(_LIBRARY)
    found: dict[str, Path] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in found or name.partition(".")[0] in _DIGESTED:
            continue
        path = folder.joinpath(*name.split("."))
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                found[name] = file
                pending += [] if is_installed else _imports(name, file)
        pending += [name.rpartition(".")[0]] if "." in name else []
    return found


def _imports(name: str, file: Path) -> Iterator[str]:
    """Yield what the source of a module may import; names in modules are among it."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names if origin)
