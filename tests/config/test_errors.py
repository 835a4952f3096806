import pickle

import pytest

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest, show


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        ("3", "'3'"),
        ("", "''"),
        (3, "3"),
        ("a\n b", "a b"),
        ("x" * 99, "x" * 57 + "..."),
    ],
)
def test_values_are_shown_as_written_and_short(value: object, shown: str) -> None:
    assert show(value) == shown


def test_lines() -> None:
    assert complaint("a.b", "1", "bad", "2", "c") == "a.b=1: bad; allowed: 2; did you mean c?"
    assert complaint("a.b", None, "bad") == "a.b: bad"


@pytest.mark.parametrize(
    ("name", "hit"),
    [("cifr", "cifar10"), ("MNIST", "mnist"), ("fashion-mnist", "fashion_mnist"), ("xyz", "")],
)
def test_nearest_name(name: str, hit: str) -> None:
    assert nearest(name, ("mnist", "fashion_mnist", "cifar10")) == hit


def test_many_names_are_cut() -> None:
    assert enumerate_names([str(n) for n in range(15)]).endswith("10, 11 and 3 more")


def test_error_takes_one_line_or_many_and_survives_pickling() -> None:
    assert ConfigError("a line").mistakes == ("a line",)
    error = pickle.loads(pickle.dumps(ConfigError(["a", "b", "a"])))
    assert error.mistakes == ("a", "b")
    assert str(error) == "a\nb"
