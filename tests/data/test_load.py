import dataclasses

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from snnjax.config.schema import DataConfig
from snnjax.data import bundled
from snnjax.data.catalog import DataError
from snnjax.data.content import Content
from snnjax.data.load import load, load_all, read


@pytest.fixture
def plant(monkeypatch):
    """Have `sklearn_iris` read as the given arrays."""

    def plant(features, targets=None, task="regression"):
        rows = len(features)
        targets = np.zeros((rows, 1)) if targets is None else targets
        test = np.arange(rows)[:, None] % 5 == np.arange(5)
        content = Content(task, features, targets, 1, test)
        monkeypatch.setattr(bundled, "read", lambda name, root: content)

    return plant


def test_contract():
    data = load(DataConfig(name="sklearn_linnerud"))
    assert data.features.dtype == data.targets.dtype == data.shift.dtype == np.float32
    assert data.target_shift.dtype == data.target_scale.dtype == np.float64
    assert data.targets.shape == (20, data.outputs)
    assert data.shift.tolist() == [0] * 3
    assert data.scale.tolist() == [1] * 3
    labels = load(DataConfig(name="sklearn_iris"))
    assert labels.targets.dtype == np.int32
    assert labels.targets.shape == (150,)
    assert labels.target_shift.tolist() == [0] * 3
    assert labels.target_scale.tolist() == [1] * 3


@pytest.mark.parametrize("name", ["sklearn_breast_cancer", "sklearn_digits"])
def test_standardisation_equals_scikit_learn_on_training_rows(name):
    data, content = load(DataConfig(name=name, fold=2)), read(name)
    expected = StandardScaler().fit(content.features[data.rows["train"]])
    np.testing.assert_allclose(
        data.features, expected.transform(content.features), rtol=2e-6, atol=2e-6
    )


def test_regression_targets_find_their_way_back():
    data, content = load(DataConfig(name="sklearn_linnerud")), read("sklearn_linnerud")
    train = data.targets[data.rows["train"]]
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-6)
    original = data.targets * data.target_scale + data.target_shift
    np.testing.assert_allclose(original, content.targets, rtol=1e-6)


def test_standardize_none_leaves_tables_as_they_are():
    content = read("sklearn_diabetes")
    data = load(DataConfig(name="sklearn_diabetes", standardize="none"))
    assert np.array_equal(data.features, content.features.astype(np.float32))
    assert np.array_equal(data.targets, content.targets.astype(np.float32))
    assert data.target_scale.tolist() == [1]


def test_constant_columns_stay_finite(plant):
    features = np.full((50, 3), 0.1)
    features[:, 1] = np.arange(50) % 5 == 0  # varies in the test rows of fold 0 alone
    features[:, 2] = np.arange(50)
    plant(features)
    data = load(DataConfig(name="sklearn_iris", validation=0))
    assert np.all(np.abs(data.features[:, 0]) < 1e-12)
    assert data.features[:, 1].tolist() == [1, 0, 0, 0, 0] * 10


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.nan, "column 1 of the features holds nan in row 7"),
        (np.inf, "column 1 of the features holds inf in row 7"),
        (1e200, "column 1 of the deviation of the features holds"),
    ],
)
def test_values_that_are_not_finite(plant, value, what):
    features = np.ones((20, 2))
    features[7, 1] = value
    plant(features)
    with pytest.raises(DataError, match=f"^sklearn_iris: {what}"):
        load(DataConfig(name="sklearn_iris", validation=0))


def test_values_too_large_for_float32(plant):
    plant(np.full((20, 1), 1e39))
    with pytest.raises(DataError, match="column 0 of the scaled features holds inf"):
        load(DataConfig(name="sklearn_iris", standardize="none"))


def test_targets_that_are_not_finite(plant):
    plant(np.ones((20, 2)), np.full((20, 1), np.nan))
    with pytest.raises(DataError, match="sklearn_iris: column 0 of the targets holds nan"):
        load(DataConfig(name="sklearn_iris"))


def test_sha256_is_of_the_content_alone():
    configs = [
        DataConfig(name="sklearn_iris"),
        DataConfig(name="sklearn_iris", fold=3),
        DataConfig(name="sklearn_iris", standardize="none"),
        DataConfig(name="sklearn_iris", validation=0.5),
    ]
    assert len({load(config).sha256 for config in configs}) == 1
    assert load(DataConfig(name="sklearn_wine")).sha256 != load(configs[0]).sha256


def test_validation_share():
    sizes = {
        share: len(load(DataConfig(name="sklearn_iris", validation=share)).rows["validation"])
        for share in ("default", 0, 0.5, "0.5")
    }
    assert sizes == {"default": 18, 0: 0, 0.5: 60, "0.5": 60}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold": 5}, r"^data\.fold=5: out of range; allowed: 0 to 4 for sklearn_iris"),
        ({"fold": -1}, r"data\.fold=-1"),
        ({"validation": 1.0}, r"^data\.validation=1\.0: out of range; allowed: default or"),
        ({"validation": -0.1}, r"data\.validation=-0\.1"),
        ({"validation": float("nan")}, r"data\.validation=nan"),
        ({"validation": True}, r"data\.validation=true: wrong type"),
        ({"validation": "0.x"}, r"data\.validation=0\.x: no such choice"),
        ({"standardize": "minmax"}, r"data\.standardize=minmax: .*allowed: standard, none"),
        ({"name": "sklearn_irsi"}, r"did you mean sklearn_iris\?"),
    ],
)
def test_configuration_out_of_range(change, message):
    with pytest.raises(DataError, match=message):
        load(dataclasses.replace(DataConfig(name="sklearn_iris"), **change))


def test_two_loads_are_the_same_bit_for_bit():
    first, second = (load(DataConfig(name="sklearn_digits", fold=1)) for _ in range(2))
    assert first.features.tobytes() == second.features.tobytes()
    assert all(np.array_equal(first.rows[key], second.rows[key]) for key in first.rows)


def test_all_folds_of_images_hold_one_copy_read_once(plant, monkeypatch):
    images = np.arange(200, dtype=np.uint8).reshape(20, 10)
    plant(images, np.arange(20, dtype=np.int32) % 2, "classification")
    original, reads = bundled.read, []
    monkeypatch.setattr(bundled, "read", lambda *a: [reads.append(a), original(*a)][1])
    configs = [
        DataConfig(name="sklearn_iris", fold=fold, validation=validation, standardize=standardize)
        for fold in range(3)
        for validation in (0.1, 0.2)
        for standardize in ("standard", "none")
    ]
    loaded = load_all(configs)
    assert [*loaded] == configs
    assert len(reads) == 1
    assert {id(data.features) for data in loaded.values()} == {id(images)}
    assert len({id(data.targets) for data in loaded.values()}) == 1
    for config, data in loaded.items():
        alone = load(config)
        assert data.sha256 == alone.sha256
        for name in ("features", "targets", "shift", "scale"):
            np.testing.assert_array_equal(getattr(data, name), getattr(alone, name))
        for split, rows in alone.rows.items():
            np.testing.assert_array_equal(data.rows[split], rows)


def test_what_cannot_be_loaded_is_an_error_of_its_own(tmp_path):
    """A folder that has no such file is looked into once; a fold there is not is one's own."""
    missing = [DataConfig(name="letter", root=str(tmp_path / "no"), fold=n) for n in range(2)]
    wine = [DataConfig(name="sklearn_wine", fold=fold) for fold in (0, 99)]
    loaded = load_all([*missing, *wine])
    assert isinstance(loaded[missing[0]], DataError)
    assert loaded[missing[0]] is loaded[missing[1]]
    assert loaded[wine[0]].name == "sklearn_wine"
    assert isinstance(loaded[wine[1]], DataError)
