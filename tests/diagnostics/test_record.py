"""The file of a run's looks: whole or not at all, read back, gone on with, and what lines say."""

import math
import os

import numpy as np
import pytest

from snnjax.diagnostics import record
from snnjax.diagnostics.record import Record, UnreadableError, read

NAMES = {"layers": ["1", "2"], "kernels": ["1", "2", "output"]}


def look(number, **more):
    """Return arrays of two layers and three kernels."""
    random = np.random.default_rng(number)
    return {
        "activation_mean": random.normal(size=2).astype(np.float32),
        "activation_histogram": random.integers(0, 9, (2, 100)).astype(np.uint32),
        "activation_edges": np.array([[-1, 1], [0, 2]], np.float32),
        "weight_norm": random.random(3).astype(np.float32),
        "whole_singular": np.array([0.1, 0.5, 2], np.float32),
        "layer_singular": np.array([[0.1, 0.6, 2], [0.1, 0.7, 2]], np.float32),
        "fixed_mean": np.array(0.0, np.float32),
        **more,
    }


def filled(folder, count=4):
    own = Record(folder)
    for number in range(count):
        assert own.add(number / 2, 5 * number, NAMES, look(number))
    return own


def test_what_is_written_is_read_back(tmp_path):
    filled(tmp_path).write()
    arrays = read(tmp_path / "diagnostics.npz")
    np.testing.assert_array_equal(arrays["epoch"], [0, 0.5, 1, 1.5])
    np.testing.assert_array_equal(arrays["step"], [0, 5, 10, 15])
    assert (arrays["epoch"].dtype, arrays["step"].dtype) == (np.float64, np.int64)
    assert arrays["layers"].tolist() == NAMES["layers"]
    assert arrays["kernels"].tolist() == NAMES["kernels"]
    assert arrays["fixed_mean"].shape == ()
    for number in range(4):
        for name, array in look(number).items():
            if name != "fixed_mean":
                np.testing.assert_array_equal(arrays[name][number], array)
                assert arrays[name].dtype == array.dtype


def test_nothing_seen_leaves_no_file(tmp_path):
    Record(tmp_path).write()
    assert list(tmp_path.iterdir()) == []


def test_a_look_that_is_no_later_is_passed_over(tmp_path):
    own = filled(tmp_path, 2)
    assert not own.add(0.5, 5, NAMES, look(9))
    assert not own.add(0.0, 0, NAMES, look(9))
    own.write()
    np.testing.assert_array_equal(read(own.path)["step"], [0, 5])


def test_revived_units_are_those_that_were_dead_before(tmp_path):
    own = Record(tmp_path)
    dead = [[[1, 1, 0, 0], [0, 0, 0, 0]], [[1, 0, 1, 0], [1, 0, 0, 0]], [[0, 0, 0, 0]] * 2]
    for number, now in enumerate(dead):
        own.add(number, number, NAMES, {"is_dead": np.array(now, bool), "widths": np.array([4, 2])})
    own.write()
    arrays = read(own.path)
    np.testing.assert_array_equal(arrays["dead"], [[0.5, 0], [0.5, 0.5], [0, 0]])
    np.testing.assert_array_equal(arrays["revived"], [[0, 0], [0.25, 0], [0.5, 0.5]])
    assert "widths" not in arrays


def test_units_that_became_nan_have_not_come_back(tmp_path):
    own = Record(tmp_path)
    for number, (dead, saturated) in enumerate([([1, 0], 0.5), ([0, 0], np.nan)]):
        look = {"is_dead": np.array([dead], bool), "widths": np.array([2])}
        own.add(number, number, NAMES, look | {"saturated": np.array([saturated])})
    np.testing.assert_array_equal(own.last["dead"], [np.nan])
    np.testing.assert_array_equal(own.last["revived"], [np.nan])


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    """Looks inside the next epoch are kept as well; later ones are taken again."""
    filled(tmp_path, 6).write()
    own = Record(tmp_path)
    own.resume(1)
    assert not own.add(1.5, 15, NAMES, look(3))
    assert own.add(2, 20, NAMES, look(33))
    own.write()
    arrays = read(own.path)
    np.testing.assert_array_equal(arrays["step"], [0, 5, 10, 15, 20])
    np.testing.assert_array_equal(arrays["activation_mean"][4], look(33)["activation_mean"])
    for number in range(4):
        np.testing.assert_array_equal(
            arrays["activation_mean"][number], look(number)["activation_mean"]
        )
    assert arrays["fixed_mean"].shape == ()


def test_units_come_back_across_an_interruption(tmp_path):
    dead = [[[1, 1, 0, 0], [0, 1, 0, 0]], [[1, 0, 1, 0], [1, 0, 0, 0]], [[0] * 4] * 2]
    own = Record(tmp_path)
    for number, now in enumerate(np.array(dead, bool)):
        if number:
            own = Record(tmp_path)
            own.resume(number)
        look = {"is_dead": now, "widths": np.array([4, 2])}
        assert own.add(number, number, NAMES, look)
        own.write()
    arrays = read(own.path)
    np.testing.assert_array_equal(arrays["revived"], [[0, 0], [0.25, 0.5], [0.5, 0.5]])
    np.testing.assert_array_equal(arrays["is_dead"], np.array(dead, bool))


def test_a_fresh_run_removes_what_an_earlier_one_left(tmp_path):
    filled(tmp_path).write()
    Record(tmp_path).resume(0)
    assert list(tmp_path.iterdir()) == []
    Record(tmp_path).resume(3)  # nothing there to go on with


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "middle", "other"])
def test_a_damaged_file_is_said_to_be_one(tmp_path, damage):
    own = filled(tmp_path)
    own.write()
    content = own.path.read_bytes()
    if damage == "other":
        np.savez(own.path, step=np.zeros(3))
    else:
        half = len(content) // 2
        torn = content[: half // 2] + bytes(half) + content[half // 2 + half :]
        damaged = {"empty": b"", "cut": content[:half], "text": b"hello", "middle": torn}
        own.path.write_bytes(damaged[damage])
    with pytest.raises(UnreadableError, match=r"diagnostics.npz: no diagnostics .*remove it"):
        read(own.path)


def test_whatever_byte_is_wrong(tmp_path):
    """What is read is right, or nothing is; and a run that goes on fails alone, as with a disk."""
    own = filled(tmp_path, 2)
    own.write()
    content, random = own.path.read_bytes(), np.random.default_rng(0)
    expected, refused = read(own.path), 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in random.integers(len(damaged), size=3):
            damaged[place] ^= int(random.integers(1, 256))
        own.path.write_bytes(bytes(damaged))
        try:
            arrays = read(own.path)
        except UnreadableError as error:
            refused += isinstance(error, OSError)
        else:
            for name in arrays.keys() & expected.keys():
                np.testing.assert_array_equal(arrays[name], expected[name])
    assert refused > 50


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "diagnostics.npz"
    np.savez(path, epoch=np.array([object()], dtype=object))
    with pytest.raises(UnreadableError):
        read(path)


def test_a_failed_write_leaves_the_file_of_before(tmp_path, monkeypatch):
    own = filled(tmp_path, 2)
    own.write()
    own.add(9, 99, NAMES, look(9))

    def fail(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        own.write()
    np.testing.assert_array_equal(read(own.path)["step"], [0, 5])
    assert [path.name for path in tmp_path.iterdir()] == ["diagnostics.npz"]


def test_files_are_small(tmp_path):
    """Fifty looks at a network of eight layers: everything, with histograms of trained shapes."""
    names = {
        "layers": [*map(str, range(1, 9))],
        "kernels": [*map(str, range(1, 9)), "output"],
    }
    own, random = Record(tmp_path), np.random.default_rng(0)
    for number in range(50):
        arrays = {}
        for kind, count in (("activation", 8), ("activation_gradient", 8), ("weight", 9)):
            values = random.normal(size=(count, 20_000))
            counts = np.stack([np.histogram(own_values, 100)[0] for own_values in values])
            arrays[f"{kind}_histogram"] = counts.astype(np.uint32)
            arrays[f"{kind}_edges"] = random.normal(size=(count, 2)).astype(np.float32)
            arrays[f"{kind}_mean"] = random.normal(size=count).astype(np.float32)
        own.add(number, number, names, arrays)
    own.write()
    assert own.path.stat().st_size < 50 * 2500 * 2


def test_lines_say_single_numbers_by_layer(tmp_path):
    arrays = look(1, saturated=np.array([0.5, math.nan]), predicted_mean=np.zeros(2))
    own = Record(tmp_path)
    own.add(0, 0, NAMES, arrays)
    found = own.scalars()
    assert found["weight_norm.output"] == pytest.approx(float(arrays["weight_norm"][2]))
    assert found["activation_mean.2"] == pytest.approx(float(arrays["activation_mean"][1]))
    assert found["whole_singular"] == pytest.approx(0.5)
    assert found["layer_singular.2"] == pytest.approx(0.7)
    assert math.isnan(found["saturated.2"])
    assert all(type(value) is float for value in found.values())
    assert {name.partition(".")[0] for name in found} == {
        "activation_mean", "weight_norm", "whole_singular", "layer_singular", "saturated",
    }  # fmt: skip
    assert not found.keys() & {"epoch", "step", "split"}


def test_histograms_have_an_edge_more_than_counts(tmp_path):
    arrays = look(1, weight_histogram=np.ones((3, 100), np.uint32))
    arrays["weight_edges"] = np.array([[0, 1], [2, 2], [math.nan, math.nan]], np.float32)
    own = Record(tmp_path)
    own.add(0, 0, NAMES, arrays | {"my_histogram": np.ones((2, 7))})
    found = own.histograms()
    assert {*found} == {"activation.1", "activation.2", "weight.1", "weight.2"}
    for counts, edges in found.values():
        assert len(edges) == len(counts) + 1
        assert (np.diff(edges) > 0).all()
    counts, edges = found["activation.2"]
    np.testing.assert_array_equal(counts, arrays["activation_histogram"][1])
    assert (edges[0], edges[-1]) == (0, 2)


def test_scalars_are_those_of_the_file(tmp_path):
    """What figures read of the file and what lines say is the same."""
    own = filled(tmp_path)
    own.write()
    arrays = read(own.path)
    last = {
        name: array if name in ("layers", "kernels") or not array.ndim else array[-1]
        for name, array in arrays.items()
    }
    assert record.scalars(last) == own.scalars()
