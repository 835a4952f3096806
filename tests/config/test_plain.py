"""Exchanging a plain value gives what OmegaConf gives; what it cannot tell it leaves alone."""

import pytest
from omegaconf import OmegaConf

from snnjax.config.plain import PlainValues, plain_values

TREE = {
    "seed": 0,
    "model": {"width": 3, "names": ["a", "b"], "inner": {"rate": 0.5, "group": None}},
    "hydra": {"job": "${oc.env:NOT_SET}"},
}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"seed": 7},
        {"model.inner.rate": None, "model.names": [], "seed": "text"},
        {"model.new": True, "fresh.key": 1e-3},
    ],
)
def test_exchanged_values_equal_an_update(values):
    composed = OmegaConf.create(TREE)
    plain = PlainValues(composed)
    found = plain.exchanged(values)
    for key, value in values.items():
        OmegaConf.update(composed, key, value, force_add=True)
    assert found == plain_values(composed)
    assert plain.exchanged({}) == {key: TREE[key] for key in ("seed", "model")}


@pytest.mark.parametrize("value", ["${seed}", ["${seed}"], {"rate": 1}, "\\${seed}"])
def test_what_omegaconf_must_resolve_is_left_to_it(value):
    assert PlainValues(OmegaConf.create(TREE)).exchanged({"model.inner": value}) is None


def test_a_tree_with_interpolations_is_left_to_omegaconf():
    composed = OmegaConf.create({"a": 1, "b": {"c": ["${a}"]}, "hydra": {}})
    assert PlainValues(composed).exchanged({"a": 2}) is None
    assert plain_values(composed) == {"a": 1, "b": {"c": [1]}}


def test_a_value_below_a_plain_one_is_left_to_omegaconf():
    assert PlainValues(OmegaConf.create(TREE)).exchanged({"seed.width": 2}) is None


def test_a_missing_value_stays_as_written():
    assert plain_values(OmegaConf.create({"a": "???", "b": {"c": "???"}})) == {
        "a": "???",
        "b": {"c": "???"},
    }
