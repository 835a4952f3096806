"""The architecture's direction, read from the import statements, and what may not be imported."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "snnjax"

# From the top down: a module may import from its own folder and from lower layers.
LAYERS = (
    ("distributed",),
    ("train", "callback", "collect", "models", "diagnose", "baselines", "plan"),
    ("following",),
    ("app",),
    ("slurm",),
    ("contact_sheet", "report", "schedules", "status"),
    ("multirun",),
    ("listing",),
    ("summary", "sweep"),
    ("endings", "grouping"),
    ("experiment",),
    ("checkpoint",),
    ("recorder",),
    ("population", "model_summary"),
    ("diagnostics", "keeping"),
    ("ending",),
    ("crew", "programs"),
    ("outcomes", "compilation", "strategy"),
    ("training", "executables"),
    ("monte_carlo",),
    ("evaluation", "convert"),
    ("arrays", "step", "rows"),
    ("guard",),
    ("fit", "metrics", "shapes", "sinks"),
    ("optim",),
    ("nn",),
    ("data", "theory"),
    ("figures",),
    ("printed", "stats"),
    ("widths",),
    ("messages",),
    ("processes",),
    ("config",),
    ("array_file",),
    ("registry", "metric_names", "interruption", "file_names", "source_code", "whole_file"),
    ("constants", "ledger", "decompositions"),
)
# Names are checked against the catalog, which imports nothing but the standard library; what is
# predicted for a network depends on its data; a program tells of its mistakes like all others.
ALLOWED_UPWARD = {
    ("config", "data.catalog"),
    ("theory.__main__", "endings"),
    ("figures.__main__", "endings"),
    ("theory.commands.predict", "data.load"),
    ("theory.commands.predict", "data.dataset"),
    ("theory.commands.predict", "guard"),
}
NUMPY_ONLY = (
    "config",
    "data",
    "sinks",
    "summary",
    "listing",
    "status",
    "collect",
    "endings",
    "multirun",
    "app",
    "train",
    "callback",
    "registry",
    "guard",
    "theory",
    "figures",
    "printed",
    "stats",
    "report",
)
ON_DEVICE = PACKAGE / "theory" / "moments" / "device.py"


def top(module: str) -> str:
    return module.split(".")[0]


def imports() -> list[tuple[str, str]]:
    """List (importing module, imported module) inside the package, lazy imports included."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "snnjax":
                found += [(module, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("snnjax."):
                source = node.module.removeprefix("snnjax.")
                if (PACKAGE / source).is_dir():
                    found += [(module, f"{source}.{alias.name}") for alias in node.names]
                else:
                    found.append((module, source))
    return [(a, b) for a, b in found if a and b != "__version__"]


def test_every_module_has_a_layer():
    known = {name for layer in LAYERS for name in layer}
    present = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert present - {"__init__"} == known


def test_imports_point_downward():
    height = {name: -number for number, layer in enumerate(LAYERS) for name in layer}
    upward = [
        (a, b)
        for a, b in imports()
        if top(a) != top(b)
        and height[top(b)] >= height[top(a)]
        and not {(top(a), b), (a, b)} & ALLOWED_UPWARD
    ]
    assert not upward


@pytest.mark.parametrize("name", NUMPY_ONLY)
def test_modules_that_must_not_know_jax_do_not_import_it(name):
    paths = [PACKAGE / f"{name}.py"] if (PACKAGE / f"{name}.py").exists() else None
    for path in paths or (PACKAGE / name).rglob("*.py"):
        if path == ON_DEVICE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {top(n) for n in names} & {"jax", "flax", "optax"}, path


def test_the_theory_does_not_import_its_one_module_of_jax():
    assert not [a for a, b in imports() if top(a) == "theory" and b == "theory.moments.device"]


def test_oracles_are_imported_by_the_converter_only():
    for path in PACKAGE.rglob("*.py"):
        names = {
            top(name)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [getattr(node, "module", None) or "", *(a.name for a in node.names)]
        }
        assert path.parent.name == "convert" or not names & {"torch", "keras"}, path


def test_loading_data_does_not_import_jax(run_code):
    code = (
        "from snnjax.config.schema import DataConfig\n"
        "from snnjax.data.load import load\n"
        "load(DataConfig(name='sklearn_wine'))"
    )
    done, imported = run_code(code)
    assert done.returncode == 0
    assert not imported & {"jax", "sklearn"}
