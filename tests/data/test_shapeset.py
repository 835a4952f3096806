"""Shapeset-3x2 against what is published of it, and against its geometry in complex numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from snnjax.config.schema import DataConfig
from snnjax.data import prepared, shapeset
from snnjax.data.load import load
from snnjax.data.shapeset import CLASSES, WORDS, compose, covered, render
from tests.data import shapeset_oracle as oracle

# Of tests of significance, for each of a few seeds.
LEAST_P = 1e-4


def words(seed: int, images: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**32, (images, WORDS), dtype=np.uint32)


@pytest.fixture(scope="module")
def many():
    """20,000 images: words, pixels, labels, scene and which pixels the shapes cover."""
    given = words(0, 20_000)
    pixels, labels = render(given)
    scene = compose(given)
    is_covered = covered(scene).reshape(-1, 2, 32, 32)
    return given, pixels.reshape(-1, 32, 32), labels, scene, is_covered


@pytest.mark.parametrize("seed", range(3))
def test_classes_are_as_frequent_as_published(seed):
    """One object or two, three kinds each: 1/6 for one, 1/18 for two alike, 1/9 for two others.

    Where a second shape cannot be placed the image shows the first alone. That is so rare that of
    30,000 images none may show it: of 1 in 10,000 three would be expected.
    """
    given = words(seed, 10_000)
    labels = render(given)[1]
    expected = 10_000 * np.repeat([1 / 6, 1 / 9, 1 / 18], 3)
    assert stats.chisquare(np.bincount(labels, minlength=9), expected).pvalue > LEAST_P
    wants_two = given[:, 0] >= 2**31
    np.testing.assert_array_equal(labels >= 3, wants_two)


def test_class_names_say_what_is_seen(many):
    _, _, labels, scene, _ = many
    names = ("triangle", "parallelogram", "ellipse")
    for kinds, has_two, label in zip(scene.kinds[:500], scene.has_two, labels, strict=False):
        seen = [names[kind] for kind in sorted(kinds if has_two else kinds[:1])]
        if len(seen) == 2 and seen[0] == seen[1]:
            assert CLASSES[label] == f"2 {seen[0]}s"
        else:
            assert CLASSES[label] == " + ".join(seen)


def test_images_are_those_of_the_geometry_written_out():
    """Corners are rounded to 1/256 of a pixel, directions to 1/4096: at most 0.05 pixels in all."""
    given = words(7, 120)
    pixels, labels = render(given)
    scene = compose(given)
    unclear = compared = 0
    for row in range(len(given)):
        chosen, shares = oracle.first_accepted(given[row])
        if min(abs(share - 0.5) for share in shares) < 0.005:
            unclear += 1
            continue
        shapes, kinds, greys = oracle.image(given[row], chosen)
        depths = [shape.depth() for shape in shapes]
        two = bool(given[row, 0] >> 31)
        expected = np.full((32, 32), greys[0])
        for depth, grey in zip(depths[: 1 + two], greys[1:], strict=False):
            expected = np.where(depth >= 0, grey, expected)
        near = np.any([abs(depth) < 0.05 for depth in depths], axis=0)
        image = pixels[row].reshape(32, 32)
        np.testing.assert_array_equal(image[~near], expected[~near])
        assert near.mean() < 0.05
        np.testing.assert_allclose(scene.x[row] / 256, [s.centre.real for s in shapes], atol=0.05)
        np.testing.assert_allclose(scene.y[row] / 256, [s.centre.imag for s in shapes], atol=0.05)
        assert bool(scene.has_two[row]) == two
        if not two:
            assert labels[row] == kinds[0]
        compared += 1
    assert compared > 110
    assert unclear + compared == 120


def test_overlaps_are_estimated_as_published():
    """The estimate of every proposal, within what rounding of lengths and directions makes."""
    given = words(8, 20)
    kinds = np.array([[oracle.number(word, 3) for word in row[1:3]] for row in given])
    starts = np.array([[oracle.number(word, 256) for word in row[7:9]] for row in given])
    turns = np.array([[oracle.number(word, 255) for word in row[9:11]] for row in given])
    drawn = given[:, 11:].reshape(len(given), 51, 4)
    parts = [(slice(0, 1), slice(0, 1)), (slice(1, 2), slice(1, 51))]
    first, second = (
        shapeset._propose(kinds[:, own], starts[:, own], turns[:, own], drawn[:, some], np)
        for own, some in parts
    )
    found = shapeset.overlap(first, second)
    for row in range(len(given)):
        expected = oracle.overlaps(given[row])
        np.testing.assert_allclose(
            np.minimum(found[row], 20), np.minimum(expected, 20), rtol=0.03, atol=0.03
        )


def test_half_of_the_first_shape_is_seen(many):
    """What the estimate allows, measured on pixels: it is no bound, but close to one."""
    *_, scene, is_covered = many
    first, second = is_covered[scene.has_two].swapaxes(0, 1)
    share = (first & second).sum((1, 2)) / first.sum((1, 2))
    assert len(share) > 9_000
    assert share.max() < 0.55
    assert (share > 0.5).mean() < 0.002


def test_without_the_rule_more_would_be_covered(many, monkeypatch):
    """Which shows that the test above can fail: the first proposal is then the second shape."""
    monkeypatch.setattr(shapeset, "_MOST_COVERED", 100)
    first, second = covered(compose(many[0][:5_000])).swapaxes(0, 1)
    share = (first & second).sum(1) / first.sum(1)
    assert (share > 0.55).mean() > 0.05


def test_a_pixel_is_left_on_every_side(many):
    """Corners are at least a pixel inside, and come that near; no pixel of a border is covered."""
    *_, scene, is_covered = many
    border = np.ones((32, 32), bool)
    border[1:-1, 1:-1] = False
    assert not is_covered[:, :, border].any()
    symmetric = scene.shapes.is_symmetric
    for offsets, centre in ((scene.shapes.x, scene.x), (scene.shapes.y, scene.y)):
        low, high = offsets.min(0), offsets.max(0)
        # Of a symmetric shape the other half of the corners lies opposite.
        low, high = (
            np.where(symmetric, np.minimum(low, -high), low),
            np.where(symmetric, np.maximum(high, -low), high),
        )
        assert (centre + low).min() == 256
        assert (centre + high).max() == 31 * 256


def test_sizes_are_between_a_fifth_and_four_fifths(many):
    """Areas of pixels: a polygon of semi-axes a and b has n / 2 sin(2 pi / n) a b."""
    *_, scene, is_covered = many
    counts = is_covered[:, 0].sum((1, 2))
    for kind, sides in enumerate(oracle.SIDES):
        unit = sides / 2 * np.sin(2 * np.pi / sides)
        own = counts[scene.kinds[:, 0] == kind]
        # The mean of a b is that of two independent uniform numbers in [3.2, 12.8].
        mean, spread = unit * 8**2, own.std() / np.sqrt(len(own))
        assert abs(own.mean() - mean) < 4 * spread
        assert own.max() <= unit * 12.8**2 + 30
        assert own.min() >= unit * 3.2**2 - 10


def test_greys_are_dark_on_light_or_light_on_dark(many):
    _, pixels, _, scene, is_covered = many
    background, *shapes = scene.greys.T
    is_dark = background <= 0.45 * 255
    assert stats.binomtest(int(is_dark.sum()), len(is_dark)).pvalue > LEAST_P
    for grey in shapes:
        assert (grey[is_dark] >= 0.55 * 255).all()
        assert (grey[~is_dark] <= 0.45 * 255).all()
        levels = np.bincount(np.where(is_dark, grey - 141, 114 - grey), minlength=115)
        assert stats.chisquare(levels).pvalue > LEAST_P
    assert (background[~is_dark] >= 0.55 * 255).all()
    empty = ~is_covered.any(1)
    assert (pixels == np.where(empty, background[:, None, None], pixels)).all()
    second = is_covered[:, 1] & scene.has_two[:, None, None]
    assert (pixels[second] == np.broadcast_to(shapes[1][:, None, None], pixels.shape)[second]).all()


def test_jax_makes_the_same_images_bit_for_bit_however_many_at_once():
    """Compiled, mapped, and in batches of other sizes."""
    given = words(3, 240)
    expected = render(given)
    one = jax.jit(lambda given: render(given, jnp))
    mapped = jax.jit(jax.vmap(lambda given: render(given, jnp)))
    batches = zip(*(one(given[n : n + 10]) for n in range(0, 240, 10)), strict=True)
    for got in (
        one(given),
        [np.concatenate(parts) for parts in batches],
        [part.reshape(240, *part.shape[2:]) for part in mapped(given.reshape(8, 30, WORDS))],
    ):
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_the_fixed_images_are_those_they_were():
    data = load(DataConfig(name="shapeset", standardize="none"))
    assert prepared.path_of(f"shapeset-{shapeset.SHA256}").exists()
    assert {split: len(rows) for split, rows in data.rows.items()} == dict.fromkeys(
        ("train", "validation", "test"), 10_000
    )
    assert (data.stream.rows, data.epoch_rows, data.outputs) == (10_000, 10_000, 9)
    for split in data.rows:
        pixels, labels = shapeset.fixed(split, 60)
        np.testing.assert_array_equal(data.features[data.rows[split][:60]], pixels)
        np.testing.assert_array_equal(data.targets[data.rows[split][:60]], labels)
    assert len(np.unique(data.features, axis=0)) == 30_000
    seen = (data.features[:100].astype(np.float64) - data.shift) * data.scale
    np.testing.assert_allclose((seen.min(), seen.max()), (-1, 1), atol=1e-6)
    again = load(DataConfig(name="shapeset", standardize="standard", rows=70))
    assert again.epoch_rows == 70
    assert again.sha256 == data.sha256
    x = (again.features[::3].astype(np.float64) - again.shift) * again.scale
    for moment, expected in ((x, 0), (x**2, 1)):
        means = moment.mean(1)
        assert abs(means.mean() - expected) < 4 * means.std() / np.sqrt(len(means))


def test_kept_images_are_not_made_again(monkeypatch):
    """And their digest, made in an empty cache folder, is the one that is pinned."""
    expected = images, labels = shapeset._kept()
    table = np.concatenate([images, labels[:, None].astype(np.uint8)], axis=1)
    assert shapeset.digest(table) == shapeset.SHA256
    monkeypatch.setattr(shapeset, "fixed", None)
    for a, b in zip(shapeset._kept(), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_have_a_meaning_for_endless_data_only():
    with pytest.raises(ValueError, match=r"^data\.rows=70: has no meaning without data\.name=shap"):
        load(DataConfig(name="sklearn_iris", rows=70))
