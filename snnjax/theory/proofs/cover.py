"""Whether boxes cover the unit cube, decided by comparisons alone, without arithmetic."""

from collections.abc import Sequence

Box = tuple[tuple[float, float], ...]
UNIT: Box = ((0.0, 1.0),) * 4


def covers(boxes: Sequence[Box], region: Box = UNIT) -> bool:
    """Tell whether closed boxes cover a region.

    The region is cut along a face that as few boxes as possible lie across, and its parts are
    looked at with the boxes that meet them, until one box covers a part or none meets it.
    """
    todo = [(region, list(boxes))]
    while todo:
        region, here = todo.pop()
        if any(_contains(box, region) for box in here):
            continue
        cut = _cut(here, region)
        if cut is None:
            return False
        axis, place = cut
        low, high = region[axis]
        for part in ((low, place), (place, high)):
            smaller = (*region[:axis], part, *region[axis + 1 :])
            todo.append((smaller, [box for box in here if _meets(box, smaller)]))
    return True


def _contains(box: Box, region: Box) -> bool:
    return all(a <= low and high <= b for (a, b), (low, high) in zip(box, region, strict=True))


def _meets(box: Box, region: Box) -> bool:
    """Tell whether the interiors meet."""
    return all(a < high and low < b for (a, b), (low, high) in zip(box, region, strict=True))


def _cut(boxes: Sequence[Box], region: Box) -> tuple[int, float] | None:
    """Return the axis and place of a face inside a region; None if no box has one there."""
    best, least = None, len(boxes) + 1
    for axis, (low, high) in enumerate(region):
        places = sorted({end for box in boxes for end in box[axis] if low < end < high})
        for place in _candidates(places, (low + high) / 2):
            across = sum(box[axis][0] < place < box[axis][1] for box in boxes)
            if across < least:
                best, least = (axis, place), across
    return best


def _candidates(places: Sequence[float], middle: float) -> Sequence[float]:
    """Return the face nearest to the middle, if there is any."""
    return [min(places, key=lambda place: abs(place - middle))] if places else []
