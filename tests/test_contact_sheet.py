"""`python -m snnjax.contact_sheet`: what is drawn, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snnjax.config.schema import DataConfig
from snnjax.contact_sheet import draw, main
from snnjax.data.load import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Red, green and blue images, six of each class."""
    for place, name in enumerate(("rose", "leaf", "sky")):
        (tmp_path / name).mkdir()
        for number in range(6):
            pixels = np.zeros((8, 8, 3), np.uint8)
            pixels[..., place] = 255
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_a_sheet_is_drawn(name, begins, tmp_path, capsys):
    path = tmp_path / name
    assert main(["data=digits", "--out", str(path), "--images", "3"]) == 0
    assert path.read_bytes().startswith(begins)
    assert capsys.readouterr().out == f"{path}\n"


def test_every_class_has_a_line_of_its_images_and_its_name(folder):
    config = DataConfig(name="images", path=str(folder), size=10)
    (axes,) = draw(config, "train", 3).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["leaf", "rose", "sky"]
    sheet = np.asarray(axes.images[0].get_array())
    assert sheet.shape == (3 * 11, 3 * 11, 3)
    for line, colour in enumerate(([0, 1, 0], [1, 0, 0], [0, 0, 1])):
        middle = round(axes.get_yticks()[line])
        np.testing.assert_array_equal(sheet[middle, 5], colour)


def test_images_are_those_of_the_split():
    config = DataConfig(name="sklearn_digits")
    sheet = np.asarray(draw(config, "test", 2).axes[0].images[0].get_array())
    data = load(DataConfig(name="sklearn_digits", standardize="none"))
    rows = data.rows["test"]
    second_of_four = data.features[rows[data.targets[rows] == 4][1]].reshape(8, 8)
    np.testing.assert_allclose(sheet[4 * 9 : 4 * 9 + 8, 9:17], second_of_four / 16)


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["data=boston", "--out", "a.png"], "data.name=boston: holds no images; allowed: cifar10"),
        (["--out", "a.gif"], "--out=a.gif: not the name of an image; allowed: a name that ends in"),
        (["--out", "a.png", "--images", "0"], "--images=0: out of range; allowed: an integer >= 1"),
        (["--out", "a.png", "--split", "tests"], "--split=tests: no such split; allowed: train"),
        (["--out", "a.png", "seed=1,2"], "seed=1,2: several values make several runs"),
    ],
)
def test_mistakes_are_one_line(argv, line, capsys):
    assert main(argv) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"snnjax: error: {line}")
    assert told.count("\n") == 1
