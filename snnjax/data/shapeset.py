"""Shapeset-3x2 (Glorot & Bengio 2010): images of one or two shapes, made of random words.

Every image is a function of `WORDS` random words, written for NumPy and for JAX alike: training
draws its batches on the device, validation and test are fixed. Lengths are integers of 1/256 of a
pixel, directions integers of 1/4096, so that an image does not depend on what computes it or on how
many are computed together. The only fractions are in the estimate of the overlap.

Where the publication is silent: a pixel belongs to a shape if its centre does, greys are bytes, the
first rotation has 256 steps, each shape has a grey of its own, the second lies above the first, and
the extent of a shape in the estimate of the overlap is how far it reaches from its centre along the
line between the centres. Where all 50 proposals for the second shape are rejected it is left out.
"""

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnjax.data import prepared
from snnjax.data.content import Content, digest
from snnjax.data.dataset import Stream
from snnjax.data.scaling import Scaling

SIDE, OBJECTS, PROPOSALS = 32, 2, 50
CLASSES = (
    *("triangle", "parallelogram", "ellipse"),
    *("triangle + parallelogram", "parallelogram + ellipse", "triangle + ellipse"),
    *("2 triangles", "2 parallelograms", "2 ellipses"),
)
TRIANGLE = 0
CORNERS = (3, 4, 20)
"""Of a triangle, a parallelogram, and of what stands for an ellipse."""
FIXED_ROWS = 10_000
"""Of validation, of test, and of those that stand for the endless training rows."""

UNIT = 256  # of lengths, in a pixel
ONE = 4096  # of directions
_STARTS, _TURNS = 256, 255
_AXES = (819, 3277)  # semi-axes, 0.2 and 0.8 of 16 pixels
_GREYS, _LIGHT = 115, 141  # bytes: dark ones in [0, 0.45], light ones in [0.55, 1]
_MOST_COVERED = 0.5

# Which class two kinds are.
_PAIRS = np.array([[6, 3, 5], [3, 7, 4], [5, 4, 8]], np.int32)
# Half of an ellipse's corners and one more tell all of its sides: opposite ones are parallel. The
# other shapes have fewer, which are repeated.
_SIDES = 10
_DRAWS = 11  # words beside those of sizes and places, four for each
WORDS = _DRAWS + 4 * (1 + PROPOSALS)
"""Random words of an image."""

_SEEDS = {"validation": 2010, "test": 2011, "train": 2012}
SHA256 = "ba9cc248371e1427724d1fb5c73cee288a6cff206d2781ae09e5fea3b238fd0f"
"""Digest of the fixed images and their labels."""
_CHUNK = 20  # images made together by NumPy

Array = Any  # of NumPy or JAX


class Shapes(NamedTuple):
    """Convex polygons.

    Attributes:
        x: (11, ...) corners relative to the centre, counterclockwise, repeated from the start.
        y: The same.
        is_symmetric: (...,) whether opposite sides are parallel.
        area: (...,) float32, in any unit.
    """

    x: Array
    y: Array
    is_symmetric: Array
    area: Array


class Scene(NamedTuple):
    """What images show.

    Attributes:
        shapes: (images, 2).
        x: (images, 2) centres.
        y: The same.
        kinds: (images, 2).
        has_two: (images,); where False the second shape is not there.
        greys: (images, 3) bytes: background, first, second shape.
    """

    shapes: Shapes
    x: Array
    y: Array
    kinds: Array
    has_two: Array
    greys: Array


def render(words: Array, xp: Any = np) -> tuple[Array, Array]:
    """Make images.

    Args:
        words: (images, WORDS) uint32.
        xp: `numpy` or `jax.numpy`.

    Returns:
        (images, 1024) uint8, row by row, and (images,) int32 places in `CLASSES`.
    """
    scene = compose(words, xp)
    is_inside = covered(scene, xp)
    second = is_inside[:, 1] & scene.has_two[:, None]
    background, *greys = (scene.greys[:, place, None] for place in range(1 + OBJECTS))
    pixels = xp.where(second, greys[1], xp.where(is_inside[:, 0], greys[0], background))
    kinds = scene.kinds
    pair = xp.asarray(_PAIRS)[kinds[:, 0], kinds[:, 1]]
    labels = xp.where(scene.has_two, pair, kinds[:, 0])
    return pixels.astype(np.uint8), labels.astype(np.int32)


def compose(words: Array, xp: Any = np) -> Scene:
    """Choose what images show; arguments as of `render`."""
    wants_two = _below(words[:, 0], 2, xp) == 1
    kinds = _below(words[:, 1:3], len(CORNERS), xp)
    greys = _below(words[:, 4:7], _GREYS, xp) + xp.asarray([[0, _LIGHT, _LIGHT]], np.int32)
    is_swapped = _below(words[:, 3:4], 2, xp) == 1
    greys = xp.where(is_swapped, 255 - greys, greys)
    starts, turns = _below(words[:, 7:9], _STARTS, xp), _below(words[:, 9:11], _TURNS, xp)
    drawn = words[:, _DRAWS:].reshape(len(words), 1 + PROPOSALS, 4)
    first = _propose(kinds[:, :1], starts[:, :1], turns[:, :1], drawn[:, :1], xp)
    second = kinds[:, 1:], starts[:, 1:], turns[:, 1:]
    is_fine = overlap(first, _propose(*second, drawn[:, 1:], xp), xp) <= _MOST_COVERED
    chosen = 1 + is_fine.argmax(1)[:, None, None]
    chosen = xp.concatenate([drawn[:, :1], xp.take_along_axis(drawn, chosen, 1)], 1)
    shapes, x, y = _propose(kinds, starts, turns, chosen, xp)
    return Scene(shapes, x, y, kinds, wants_two & is_fine.any(1), greys)


def overlap(
    old: tuple[Shapes, Array, Array], new: tuple[Shapes, Array, Array], xp: Any = np
) -> Array:
    """Estimate which share of old shapes new ones cover, from shapes and centres of both.

    With d between the centres, and p how far both reach along the line through them, added up, it
    is (new area / old area) (1 - exp(-(p - d) ln 2 / d)); negative where they do not meet.
    """
    x, y = new[1] - old[1], new[2] - old[2]
    reach = 1 / _steps(old[0], x, y, xp) + 1 / _steps(new[0], -x, -y, xp)  # p / d
    return new[0].area / old[0].area * (1 - xp.exp2(1 - reach))


def covered(scene: Scene, xp: Any = np) -> Array:
    """Return which pixels shapes cover, (images, 2, 1024): those whose centres are inside."""
    edge_x, edge_y, height = _edges(scene.shapes)
    # Of every pixel for itself: that costs products, but rows and columns would be taken apart
    # again for every pixel by a compiler that makes images and inputs in one pass.
    y, x = np.divmod(np.arange(SIDE * SIDE, dtype=np.int32), SIDE)
    x, y = (xp.asarray(place[None, None] * UNIT + UNIT // 2) for place in (x, y))
    x, y = x - scene.x[..., None], y - scene.y[..., None]
    # Twice the area of the triangle on a side of the shape, from 0 at the side inwards, to as much
    # again at the parallel side. One comparison without a sign tells both.
    most = xp.where(scene.shapes.is_symmetric[None], 2 * height, 2**31 - 1)
    most = most.astype(np.uint32)[..., None]
    is_inside = True
    for side in range(_SIDES):
        along, up, far = (part[side, :, :, None] for part in (edge_x, edge_y, height))
        inwards = along * y - up * x + far
        is_inside &= inwards.astype(np.uint32) <= most[side]
    return is_inside


def read(name: str, root: str | None) -> Content:
    """Return the fixed images; `root` is not looked at. Training rows are drawn on the device.

    Rows that stand for these are there too: for what is asked of training rows beside training.
    """
    images, labels = _kept()
    split = np.arange(len(images))[:, None] // FIXED_ROWS
    middle, half = np.full(SIDE * SIDE, 127.5), np.full(SIDE * SIDE, 1 / 127.5)
    return Content(
        task="classification",
        features=images,
        targets=labels,
        outputs=len(CLASSES),
        validation=split == 0,
        test=split == 1,
        classes=CLASSES,
        stream=Stream("snnjax.data.shapeset:render", WORDS),
        scalings={"none": Scaling(middle, half), "standard": Scaling(middle, half / deviation())},
    )


def deviation() -> float:
    """Return the standard deviation of every pixel, whose range is [-1, 1] and whose mean is 0.

    Both are exact: light and dark are swapped half of the time, whatever is where.
    """
    light = np.arange(_LIGHT, 256) / 127.5 - 1
    return float(np.sqrt((light**2).mean()))


def fixed(split: str, rows: int = FIXED_ROWS) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Make the first images of a split that does not change."""
    # The raw stream is the one that NumPy promises to keep (NEP 19).
    random = np.random.PCG64(_SEEDS[split])
    images, labels = np.empty((rows, SIDE * SIDE), np.uint8), np.empty(rows, np.int32)
    for start in range(0, rows, _CHUNK):
        own = slice(start, min(rows, start + _CHUNK))
        count = own.stop - start
        words = (random.random_raw(count * WORDS) >> np.uint64(32)).astype(np.uint32)
        images[own], labels[own] = render(words.reshape(count, WORDS))
    return images, labels


def _kept() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return images and labels of all splits; made once, then kept in the cache folder."""
    shape = (len(_SEEDS) * FIXED_ROWS, SIDE * SIDE + 1)
    key = f"shapeset-{SHA256}"
    table = prepared.restore(key, shape, lambda table: digest(table) == SHA256)
    if table is None:
        images, labels = zip(*map(fixed, _SEEDS), strict=True)
        parts = np.concatenate(images), np.concatenate(labels)[:, None].astype(np.uint8)
        table = np.concatenate(parts, axis=1)
        prepared.keep(key, table)
    return np.ascontiguousarray(table[:, :-1]), table[:, -1].astype(np.int32)


def _below(words: Array, count: int | Array, xp: Any) -> Array:
    """Return int32 numbers in [0, count), of the upper halves of words; count is at most 2**16."""
    return ((words >> 16) * xp.asarray(count, np.uint32) >> 16).astype(np.int32)


def _directions(steps: int) -> NDArray[np.int32]:
    """Return (2, steps) cosines and sines of angles that divide the circle, times `ONE`."""
    angle = 2 * np.pi * np.arange(steps) / steps
    return (ONE * np.stack([np.cos(angle), np.sin(angle)])).round().astype(np.int32)


def _corners(kinds: Array, starts: Array, xp: Any) -> tuple[Array, Array]:
    """Return x and y of regular polygons after their first rotation, (11, ...), times `ONE`."""
    numbers = np.arange(_SIDES + 1)
    regular = np.stack([_directions(n)[:, numbers % n] for n in CORNERS], 2)
    rotations = np.stack([_directions(_STARTS * n)[:, :_STARTS] for n in CORNERS], 1)
    x, y = xp.asarray(regular)[:, :, kinds]
    cosine, sine = xp.asarray(rotations)[:, kinds, starts][:, None]
    return _rounded(cosine * x - sine * y), _rounded(sine * x + cosine * y)


def _propose(
    kinds: Array, starts: Array, turns: Array, words: Array, xp: Any
) -> tuple[Shapes, Array, Array]:
    """Stretch regular polygons along the axes, lay them on their base, turn and place them.

    Args:
        kinds: (images, 1 or shapes).
        starts: First rotations, the same shape.
        turns: Second rotations, the same shape.
        words: (images, shapes, 4): two of the axes, two of the place.
        xp: See `render`.

    Returns:
        Shapes and their centres, (images, shapes).
    """
    axes = _AXES[0] + _below(words[..., :2], _AXES[1] - _AXES[0] + 1, xp)
    x, y = _corners(kinds, starts, xp)
    x, y = _rounded(x * axes.max(-1)[None]), _rounded(y * axes.min(-1)[None])
    base_x, base_y = _unit(x[1] - x[0], y[1] - y[0], xp)
    turn_x, turn_y = xp.asarray(_directions(_TURNS))[:, turns]
    cosine = _rounded(turn_x * base_x + turn_y * base_y)[None]
    sine = _rounded(turn_y * base_x - turn_x * base_y)[None]
    areas = np.array([n / 2 * np.sin(2 * np.pi / n) for n in CORNERS], np.float32)
    shapes = Shapes(
        x=_rounded(cosine * x - sine * y),
        y=_rounded(sine * x + cosine * y),
        is_symmetric=xp.broadcast_to(kinds != TRIANGLE, axes.shape[:-1]),
        area=(axes[..., 0] * axes[..., 1]).astype(np.float32) * xp.asarray(areas)[kinds],
    )
    return shapes, *(_somewhere(shapes, axis, words[..., 2 + n], xp) for n, axis in enumerate("xy"))


def _rounded(product: Array) -> Array:
    """Divide by `ONE`."""
    return (product + ONE // 2) >> 12


def _unit(x: Array, y: Array, xp: Any) -> tuple[Array, Array]:
    """Return cosine and sine of the direction of integer vectors, times `ONE`."""
    largest = xp.maximum(abs(x), abs(y))
    # As long as their squares, added up, are exact in single precision.
    x, y = _quotient(x * 2895, largest, xp), _quotient(y * 2895, largest, xp)
    square = x * x + y * y
    length = xp.sqrt(square.astype(np.float32)).astype(np.int32)
    length = length - (length * length > square)
    return _quotient(x * ONE, length, xp), _quotient(y * ONE, length, xp)


def _quotient(number: Array, by: Array, xp: Any) -> Array:
    """Divide integers below 2**24 and round down; exact, and faster than with whole numbers."""
    return xp.floor(number.astype(np.float32) / by.astype(np.float32)).astype(np.int32)


def _somewhere(shapes: Shapes, axis: str, words: Array, xp: Any) -> Array:
    """Return where centres lie along an axis, a pixel left beside every shape."""
    corners = getattr(shapes, axis)
    low, high = corners.min(0), corners.max(0)
    # Of a symmetric shape the corners that are not there lie opposite.
    reach = xp.maximum(high, -low)
    low, high = (xp.where(shapes.is_symmetric, a, b) for a, b in ((-reach, low), (reach, high)))
    room = (SIDE - 2) * UNIT - (high - low)
    return UNIT - low + _below(words, room.astype(np.uint32) + 1, xp)


def _edges(shapes: Shapes) -> tuple[Array, Array, Array]:
    """Return the vectors of sides, (10, ...), and twice the area of their triangles to 0."""
    x, y = shapes.x, shapes.y
    return x[1:] - x[:-1], y[1:] - y[:-1], x[:-1] * y[1:] - y[:-1] * x[1:]


def _steps(shapes: Shapes, x: Array, y: Array, xp: Any) -> Array:
    """Return how many times a vector is as long as its shape reaches in its direction."""
    edge_x, edge_y, height = _edges(shapes)
    outwards = edge_y * x[None] - edge_x * y[None]
    outwards = xp.where(shapes.is_symmetric[None], abs(outwards), outwards)
    steps = outwards.astype(np.float32) / height.astype(np.float32)
    # Compiled one after another they are faster than a maximum over an axis.
    return reduce(xp.maximum, steps, np.float32(1e-6))  # the least is of centres that coincide
