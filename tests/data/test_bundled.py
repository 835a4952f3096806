import gzip

import numpy as np
import pytest
from sklearn import datasets

from snnjax.config.schema import DataConfig
from snnjax.data import bundled, catalog
from snnjax.data.catalog import DataError
from snnjax.data.load import load, read

SHAPES = {
    "sklearn_breast_cancer": (569, 30, 2),
    "sklearn_diabetes": (442, 10, 1),
    "sklearn_digits": (1797, 64, 10),
    "sklearn_iris": (150, 4, 3),
    "sklearn_linnerud": (20, 3, 3),
    "sklearn_wine": (178, 13, 3),
}


def test_all_of_them_are_here():
    assert set(SHAPES) == {name for name in catalog.names() if name.startswith("sklearn_")}


@pytest.mark.parametrize("name", SHAPES)
def test_content(name):
    content = read(name)
    assert (*content.features.shape, content.outputs) == SHAPES[name]
    assert content.features.dtype == np.float64
    assert content.test.shape == (len(content.features), catalog.folds(name))
    assert np.array_equal(content.test.sum(axis=1), np.ones(len(content.features)))
    if content.task == "classification":
        assert content.targets.dtype == np.int32
        sizes = np.array([np.bincount(content.targets[fold]) for fold in content.test.T])
        assert np.ptp(sizes, axis=0).max() <= 1
    else:
        assert content.targets.shape == (len(content.features), content.outputs)


@pytest.mark.parametrize("name", SHAPES)
def test_the_values_are_those_that_scikit_learn_returns(name):
    options = {"scaled": False} if name == "sklearn_diabetes" else {}
    loader = getattr(datasets, name.replace("sklearn_", "load_"))
    features, targets = loader(return_X_y=True, **options)
    content = read(name)
    assert np.array_equal(content.features, features)
    assert np.array_equal(content.targets.ravel(), targets.ravel())


def broken(files, package):
    """Make a package that has `files` in place of scikit-learn's tables."""
    folder = package / "datasets" / "data"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return package


@pytest.mark.parametrize(
    ("name", "files", "problem"),
    [
        ("sklearn_iris", {}, "iris.csv: not the table that scikit-learn came with ("),
        ("sklearn_wine", {"wine_data.csv": b"178,13\n1,x\n"}, "wine_data.csv: not the table"),
        ("sklearn_digits", {"digits.csv.gz": b"0,1,2\n"}, "digits.csv.gz: not the table"),
        (
            "sklearn_digits",
            {"digits.csv.gz": gzip.compress(b"0,1,2\n" * 9999)[:-20]},
            "digits.csv.gz: not the table",
        ),
        (
            "sklearn_iris",
            {"iris.csv": b"2,4\n1,2,3,4,0\n1,2,3,4,1\n"},
            "2 rows of 5 columns; expected 150 of 5",
        ),
    ],
)
def test_another_layout_is_told(tmp_path, monkeypatch, name, files, problem):
    package = broken(files, tmp_path)
    monkeypatch.setattr(bundled, "_package", lambda: package)
    with pytest.raises(DataError) as raised:
        read(name)
    assert str(tmp_path) in str(raised.value)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_scikit_learn_is_told(monkeypatch):
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"^scikit-learn is not installed"):
        read("sklearn_iris")


def test_diabetes_is_not_scaled_over_its_test_rows():
    assert read("sklearn_diabetes").features[:, 0].max() == 79  # age in years


@pytest.mark.parametrize("fold", range(5))
@pytest.mark.parametrize("name", SHAPES)
def test_load(name, fold):
    data = load(DataConfig(name=name, fold=fold))
    train = data.features[data.rows["train"]].astype(np.float64)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    assert set(np.round(train.std(axis=0), 5)) <= {0.0, 1.0}
