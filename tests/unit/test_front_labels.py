"""Names in a picture cover nothing and lie inside it."""

import math
import random
from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from ama.report.front.plot import along, place_label


@pytest.mark.parametrize("seed", range(5))
def test_names_cover_no_point_and_no_name(seed: int) -> None:
    source = random.Random(seed)
    axes = Figure(figsize=(3.3, 2.6)).subplots()
    spots = [(source.random(), source.random(), 0.02, 0.03) for _ in range(12)]
    axes.set_xlim(-0.2, 1.2)
    axes.set_ylim(-0.2, 1.2)
    axes.figure.canvas.draw()
    place_label(axes, "before", spots[0], spots)
    place_label(axes, "after", spots[1], [*spots, (math.nan, 0.0, 0.0, 0.0)])
    boxes = [text.get_window_extent() for text in axes.texts]
    frame = axes.get_window_extent()
    assert not boxes[0].overlaps(boxes[1])
    for box in boxes:
        assert frame.x0 < box.x0 < box.x1 < frame.x1
        assert frame.y0 < box.y0 < box.y1 < frame.y1
        for x, y, _, _ in spots:
            assert not box.contains(*axes.transData.transform((x, y)))


def test_a_point_without_a_place_gets_no_name() -> None:
    axes = Figure().subplots()
    place_label(axes, "before", (math.nan, 1.0, 0.0, 0.0), [])
    assert not axes.texts


def test_spots_on_a_line_lie_between_its_points() -> None:
    found = list(along([(0.0, 0.0), (1.0, 2.0)]))
    assert all(y == pytest.approx(2 * x) and 0 < x < 1 for x, y, _, _ in found)
    assert max(b[0] - a[0] for a, b in pairwise(found)) < 0.05
