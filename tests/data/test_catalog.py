import subprocess
import sys

import pytest

from snnjax.data import catalog
from snnjax.data.catalog import DataError
from snnjax.data.load import read


def test_names_are_the_121_uci_sets_and_fifteen_others():
    names = catalog.names()
    assert len(names) == len(set(names)) == 136
    assert len(catalog.uci_table()) == 121
    assert {"cifar10", "mnist", "letter", "wine", "miniboone", "sklearn_linnerud"} <= set(names)


def test_table_agrees_with_the_number_of_large_sets_of_the_paper():
    # Klambauer et al. 2017, appendix A4.1: 46 sets with at least 1,000 points, 75 below
    rows = [entry.rows for entry in catalog.uci_table().values()]
    assert sum(count >= 1000 for count in rows) == 46
    assert (min(rows), max(rows)) == (10, 130_064)


@pytest.mark.parametrize(
    ("name", "count"), [("wine", 4), ("htru2", 10), ("cifar10", 5), ("sklearn_iris", 5)]
)
def test_folds(name, count):
    assert catalog.folds(name) == count


def test_tasks_are_those_of_the_readers():
    regression = [name for name in catalog.names() if catalog.entry(name).task == "regression"]
    assert regression == ["boston", "sklearn_diabetes", "sklearn_linnerud"]
    for name in catalog.names():
        if name.startswith("sklearn_"):
            assert read(name).task == catalog.entry(name).task


def test_only_miniboone_lacks_predictors():
    assert [name for name in catalog.names() if catalog.missing_predictors(name)] == ["miniboone"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("Wine", "wine"), ("fashion-mnist", "fashion_mnist"), ("cifar-10", "cifar10")],
)
def test_unknown_name_suggests_the_nearest(wrong, right):
    with pytest.raises(DataError, match=rf"did you mean {right}\?$") as raised:
        catalog.entry(wrong)
    assert "\n" not in str(raised.value)
    assert wrong in str(raised.value)


def test_unknown_name_that_is_near_nothing():
    with pytest.raises(DataError, match=r"^data\.name='0000': no such dataset; allowed: [^?]*$"):
        catalog.entry("0000")


def test_import_needs_the_standard_library_only():
    code = (
        "import sys, snnjax.data.catalog as c; c.names();"
        "print([m for m in ('numpy', 'jax', 'sklearn', 'pooch', 'difflib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_of_the_package_imports_jax():
    code = (
        "import sys, importlib, pkgutil, snnjax.data as d;"
        "modules = [m.name for m in pkgutil.iter_modules(d.__path__)];"
        "[importlib.import_module(f'snnjax.data.{name}') for name in modules];"
        "print([m for m in ('jax', 'jaxlib', 'flax', 'sklearn', 'pooch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
