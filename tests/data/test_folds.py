import numpy as np
import pytest

from snnjax.data import folds

PINNED_ORDER = [5, 6, 9, 3, 2, 1, 0, 8, 4, 7]
# classes of 1 and 2 rows among others
SKEWED = np.repeat([0, 1, 2, 3, 4], [1, 2, 3, 40, 300])


def test_shuffled_is_a_fixed_permutation():
    order = folds.shuffled(10, 1, 2)
    assert sorted(order) == list(range(10))
    # printed once: a split may never change from one version to the next
    assert order.tolist() == PINNED_ORDER
    assert folds.shuffled(10, 1, 3).tolist() != PINNED_ORDER


@pytest.mark.parametrize("count", [2, 5, 10])
def test_partition_is_balanced_in_all_and_per_class(count):
    fold = folds.partition(SKEWED, count)
    for members in [np.ones(len(SKEWED), bool), *(c == SKEWED for c in range(5))]:
        sizes = np.bincount(fold[members], minlength=count)
        assert sizes.max() - sizes.min() <= 1


def test_splits_are_pinned():
    # printed once: splits may not change with the version of this package or of NumPy
    partition = folds.partition(SKEWED, 5)[:20]
    assert "".join(map(str, partition)) == "01243021332341043311"
    drawn = np.flatnonzero(folds.draw(SKEWED, 0.02, 1))
    assert drawn.tolist() == [8, 150, 180, 216, 236, 255, 261]


def test_partition_shuffles_and_ignores_global_state():
    np.random.seed(0)  # noqa: NPY002
    first = folds.partition(np.zeros(50, int), 5)
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(first, folds.partition(np.zeros(50, int), 5))
    assert not np.array_equal(first, np.arange(50) % 5)


def test_masks_are_disjoint_and_exhaustive():
    masks = folds.as_masks(folds.partition(SKEWED, 5), 5)
    assert masks.shape == (len(SKEWED), 5)
    assert np.array_equal(masks.sum(axis=1), np.ones(len(SKEWED)))


@pytest.mark.parametrize("share", [0.01, 0.15, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("fold", range(3))
def test_draw_takes_its_share_of_every_class(share, fold):
    drawn = folds.draw(SKEWED, share, fold)
    counts = np.bincount(SKEWED)
    taken = np.bincount(SKEWED[drawn], minlength=5)
    assert np.all(np.abs(taken - share * counts) < 1 + 1e-9)
    assert np.all(taken < counts)  # every class stays in training
    if share <= 0.5:
        assert drawn.sum() == round(share * len(SKEWED))


def test_draw_differs_by_fold_only():
    first, again, other = (folds.draw(SKEWED, 0.2, fold) for fold in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("strata", "share", "size"),
    [
        ([0], 0.5, 0),
        ([0, 0], 0.01, 1),
        ([0, 1], 0.5, 1),
        ([0, 1, 2, 3], 0.25, 1),
        ([0, 1, 2, 3], 0.99, 3),
        ([0, 0, 1, 1], 0.99, 2),
        ([0, 0, 0], 0.0, 0),
        ([7, 7, 7, 7], 0.999, 3),
    ],
)
def test_draw_from_next_to_nothing(strata, share, size):
    drawn = folds.draw(np.array(strata), share, 0)
    assert drawn.sum() == size
    assert not drawn.all()


def test_draw_picks_every_row_equally_often():
    # 400 folds, share 0.25: counts are binomial(400, 0.25), standard deviation 8.7; 5 of them
    strata = np.repeat([0, 1], [20, 40])
    times = sum(folds.draw(strata, 0.25, fold).astype(int) for fold in range(400))
    assert np.all(np.abs(times - 100) < 5 * 8.7)


@pytest.fixture
def masks():
    test = folds.as_masks(folds.partition(SKEWED, 4), 4)
    return test, np.roll(test, 1, axis=1)


@pytest.mark.parametrize("validation", ["default", 0, 0.0, 0.3])
@pytest.mark.parametrize("own", [True, False])
def test_split_is_disjoint_exhaustive_and_sorted(masks, validation, own):
    test, given = masks
    for fold in range(4):
        rows = folds.split(SKEWED, test, given if own else None, validation, fold)
        assert list(rows) == ["train", "validation", "test"]
        assert all(part.dtype == np.int32 and np.all(np.diff(part) > 0) for part in rows.values())
        assert sorted(np.concatenate(list(rows.values()))) == list(range(len(SKEWED)))
        assert np.array_equal(rows["test"], np.flatnonzero(test[:, fold]))
        assert len(rows["train"]) > 0


def test_split_knows_where_validation_rows_come_from(masks):
    test, given = masks
    size = {
        key: len(folds.split(SKEWED, test, own, key[0], 1)["validation"])
        for key, own in {("default", 1): given, ("default", 0): None, (0, 1): given}.items()
    }
    assert size == {
        ("default", 1): given[:, 1].sum(),
        ("default", 0): round(0.15 * (~test[:, 1]).sum()),
        (0, 1): 0,
    }
