"""Shapeset-3x2 written out in complex numbers, one shape after another, from the same words.

Nothing is shared with the package but the numbers that words stand for.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDES = (3, 4, 20)


@dataclass(frozen=True)
class Shape:
    """A polygon in pixels.

    Attributes:
        corners: Complex, relative to the centre, counterclockwise.
        centre: Complex; x to the right, y down the image.
        area: Of the polygon.
    """

    corners: NDArray[np.complex128]
    centre: complex
    area: float

    def depth(self) -> NDArray[np.float64]:
        """Return how deep inside the centres of 32 x 32 pixels are, negative outside."""
        place = np.arange(32) + 0.5
        points = (place[None, :] + 1j * place[:, None]) - self.centre
        sides = np.roll(self.corners, -1) - self.corners
        to_sides = [
            ((points - corner) * np.conj(side)).imag / abs(side)
            for corner, side in zip(self.corners, sides, strict=True)
        ]
        return np.min(to_sides, axis=0)

    def reach(self, direction: complex) -> float:
        """Return how far it is from the centre to the border in a direction."""
        direction /= abs(direction)
        found = []
        for start, end in zip(self.corners, np.roll(self.corners, -1), strict=True):
            side = end - start
            across = (direction * np.conj(side)).imag  # solve t direction = start + s side
            if abs(across) > 1e-12:
                t = (start * np.conj(side)).imag / across
                s = ((t * direction - start) * np.conj(side)).real / abs(side) ** 2
                if t > 0 and -1e-9 <= s <= 1 + 1e-9:
                    found.append(t)
        return max(found)


def number(word: int, count: int) -> int:
    """Return a whole number in [0, count)."""
    return (int(word) >> 16) * count >> 16


def shape(kind: int, start: int, turn: int, words: NDArray[np.uint32]) -> Shape:
    """Build a shape and put it at a place where a pixel is left on every side."""
    count = SIDES[kind]
    axes = sorted((819 + number(word, 2459)) / 256 for word in words[:2])
    angle = 2 * math.pi / count * (np.arange(count) + start / 256)
    regular = np.exp(1j * angle)
    stretched = axes[1] * regular.real + 1j * axes[0] * regular.imag
    base = stretched[1] - stretched[0]
    corners = stretched * abs(base) / base * np.exp(2j * math.pi * turn / 255)

    def place(values: NDArray[np.float64], word: int) -> float:
        room = 30 - (values.max() - values.min())
        return 1 - values.min() + room * (int(word) >> 16) / 2**16

    centre = complex(place(corners.real, words[2]), place(corners.imag, words[3]))
    following = np.roll(corners, -1)
    return Shape(corners, centre, float((np.conj(corners) * following).imag.sum() / 2))


def overlap(old: Shape, new: Shape) -> float:
    """Estimate how much of the old shape the new one covers."""
    between = new.centre - old.centre
    distance = abs(between)
    together = old.reach(between) + new.reach(-between)
    share = 1 - math.exp(-(together - distance) * math.log(2) / distance)
    return new.area / old.area * share


def image(
    words: NDArray[np.uint32], proposal: int
) -> tuple[tuple[Shape, Shape], list[int], list[int]]:
    """Return both shapes, the second as one of its proposals, their kinds, and the three greys."""
    kinds = [number(word, 3) for word in words[1:3]]
    greys = [
        number(word, 115) + light for word, light in zip(words[4:7], (0, 141, 141), strict=True)
    ]
    if number(words[3], 2):
        greys = [255 - grey for grey in greys]
    starts = [number(word, 256) for word in words[7:9]]
    turns = [number(word, 255) for word in words[9:11]]
    places = words[11:].reshape(51, 4)[[0, 1 + proposal]]
    first, second = map(shape, kinds, starts, turns, places)
    return (first, second), kinds, greys


def overlaps(words: NDArray[np.uint32]) -> list[float]:
    """Return the overlaps of all proposals."""
    return [overlap(*image(words, proposal)[0]) for proposal in range(50)]


def first_accepted(words: NDArray[np.uint32]) -> tuple[int, list[float]]:
    """Return the first proposal that may stay, and the overlaps of all up to it."""
    found: list[float] = []
    while not found or found[-1] > 0.5:
        found.append(overlap(*image(words, len(found))[0]))
    return len(found) - 1, found
