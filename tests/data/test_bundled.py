import numpy as np
import pytest

from snnjax.config.schema import DataConfig
from snnjax.data import catalog
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


def test_diabetes_is_not_scaled_over_its_test_rows():
    assert read("sklearn_diabetes").features[:, 0].max() == 79  # age in years


@pytest.mark.parametrize("fold", range(5))
@pytest.mark.parametrize("name", SHAPES)
def test_load(name, fold):
    data = load(DataConfig(name=name, fold=fold))
    train = data.features[data.rows["train"]].astype(np.float64)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    assert set(np.round(train.std(axis=0), 5)) <= {0.0, 1.0}
