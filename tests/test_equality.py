"""Whole models equal PyTorch's on copied weights: the table of `benchmarks/equality.py`.

In evaluation and in a training step: batch moments, running moments, the gradients of both kinds
of a weight-normalised layer's parameters.
"""

import importlib
from pathlib import Path

import pytest
import yaml

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PERCEPTRONS = ("snn", "msra", "batchnorm", "layernorm", "weightnorm", "maxout")
OTHERS = ("highway", "resnet", "cnn")


@pytest.fixture
def equality(monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    if not BENCHMARKS.exists():
        pytest.skip("the benchmarks are no part of what is installed")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("equality")


@pytest.mark.parametrize("name", PERCEPTRONS + OTHERS)
@pytest.mark.slow
def test_outputs_loss_gradients_and_moments_equal_pytorch(equality, name):
    """As close to PyTorch's float64 as its own float32 is.

    The factor 4 allows for another order of summation, 1e-6 for what PyTorch hits exactly.
    """
    if not (equality.PRESETS / f"{name}.yaml").exists():
        pytest.skip(f"there is no model {name}")
    compared = equality.compare(name, depth=2, width=48, rows=32)
    assert list(compared) == [k for k in equality.KINDS if k != "moments" or is_batch(name)]
    for kind, (ours, theirs) in compared.items():
        assert ours.relative <= max(4 * theirs.relative, 1e-6), kind


def is_batch(name):
    preset = yaml.safe_load((BENCHMARKS.parent / f"conf/model/{name}.yaml").read_text())
    return preset.get("norm") == "batch"


def test_a_difference_is_found(equality):
    import numpy as np

    one = {("a",): np.array([1.0, 100.0]), ("b",): np.array([1e-30])}
    other = {("a",): np.array([1.5, 100.0]), ("b",): np.array([2.0])}
    found = equality.difference(other, one)
    assert found == (2.0, pytest.approx(0.02))
    assert equality.difference(one, one) == (0, 0)
    with pytest.raises(KeyError, match="b"):
        equality.difference(one, {("a",): other[("a",)]})
