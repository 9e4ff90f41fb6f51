"""A point's name in a picture, put where it covers no point, error bar or other name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

Spot = tuple[float, float, float, float]
# Shares of the label's own size by which its middle is moved, the nearest places first.
_SIDES = ((0, -1), (0, 1), (1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1))
_GAPS = (5.0, 8.0, 12.0, 17.0)
_CLEARANCE = 2.5
_STEPS = 40


def place_label(axes: Any, text: str, spot: Spot, spots: Sequence[Spot]) -> None:
    """Write a text beside a spot.

    Args:
        axes: matplotlib axes whose size is settled.
        text: what to write.
        spot: abscissa, ordinate and the errors of both.
        spots: all that must not be covered; those that are not finite are passed over.
    """
    if not all(map(math.isfinite, spot)):
        return
    known = [other for other in spots if all(map(math.isfinite, other))]
    points_per_dot = 72 / axes.figure.dpi
    label = axes.annotate(text, spot[:2], xytext=(0, 0), textcoords="offset points", ha="center", va="center")
    size = label.get_window_extent()
    others = [entry.get_window_extent() for entry in axes.texts if entry is not label]
    boxes = [box for other in known for box in _boxes(axes, other)]
    boxes += [(box.x0, box.y0, box.x1, box.y1) for box in others]
    frame = axes.get_window_extent().padded(-_CLEARANCE / points_per_dot)
    centre = axes.transData.transform(spot[:2])
    tries = []
    for gap in _GAPS:
        for right, up in _SIDES:
            shift = (
                right * (size.width / 2 + gap / points_per_dot),
                up * (size.height / 2 + gap / points_per_dot),
            )
            middle = centre[0] + shift[0], centre[1] + shift[1]
            half = size.width / 2, size.height / 2
            box = middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]
            inside = box[0] >= frame.x0 and box[2] <= frame.x1 and box[1] >= frame.y0 and box[3] <= frame.y1
            covered = sum(_overlap(box, other) for other in boxes)
            tries.append((not inside, covered, shift))
    # The first of the least covered ones; min keeps the order.
    _, _, shift = min(tries, key=lambda found: found[:2])
    label.set_position((shift[0] * points_per_dot, shift[1] * points_per_dot))


def along(line: Sequence[tuple[float, float]]) -> Iterator[Spot]:
    """Yield spots without errors, close to each other, on the lines between neighbouring points."""
    for (x, y), (u, v) in pairwise(line):
        for step in range(1, _STEPS):
            share = step / _STEPS
            yield x + share * (u - x), y + share * (v - y), 0.0, 0.0


def _boxes(axes: Any, spot: Spot) -> list[tuple[float, float, float, float]]:
    """Return what a point's two error bars take up, in dots."""
    x, y, x_error, y_error = spot
    margin = _CLEARANCE * axes.figure.dpi / 72
    boxes = []
    for right, up in ((x_error, 0.0), (0.0, y_error)):
        low = axes.transData.transform((x - right, y - up))
        high = axes.transData.transform((x + right, y + up))
        boxes.append((low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin))
    return boxes


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
