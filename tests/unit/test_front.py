"""The reward-tax front as a set of points and as a curve."""

import math
import random

import numpy as np
import pytest
from support.curves import Point, hypervolume, skill_at

from ama.report.front.compare import Scale, scale_of
from ama.report.front.curves import hypervolumes, mixing, non_dominated, recommended, skills_at

BEFORE, AFTER = Point(0.0, 1.0), Point(1.0, 0.0)


def test_points_that_others_beat_are_dominated() -> None:
    points = [Point(0, 3), Point(1, 2), Point(1, 1), Point(0.5, 2), Point(2, 0), Point(1, 2)]
    flags = [True, True, False, False, True, True]
    assert non_dominated(np.array(points)) == flags
    # What is missing is not the best, and beats nothing.
    missing = [Point(math.nan, 9), Point(9, math.nan)]
    assert non_dominated(np.array([*points, *missing])) == [*flags, False, False]


def test_parents_are_the_corners_of_the_scale() -> None:
    before, after = Point(-1.0, 80.0), Point(3.0, 60.0)
    plane = np.array([before, after, Point(1.0, 75.0)])
    scale = scale_of(plane, plane[None])
    assert isinstance(scale, Scale)
    assert scale.points.tolist() == scale.draws[0].tolist() == [[0, 1], [1, 0], [0.5, 0.75]]
    assert (scale.tax, scale.tax_draws.tolist(), scale.notes) == (20, [20], ())


@pytest.mark.parametrize(("before", "after"), [((1, 2), (1, 1)), ((0, 1), (1, 1)), ((2, 2), (1, 1))])
def test_without_a_tax_there_is_no_front(before: tuple[int, int], after: tuple[int, int]) -> None:
    plane = np.array([before, after], dtype=np.float64)
    why = scale_of(plane, plane[None])
    assert isinstance(why, str)
    assert "needs more reward and less skill after" in why


def test_a_curve_between_its_points() -> None:
    curve = [BEFORE, Point(0.6, 1.2), Point(1.1, 0.6), AFTER]
    assert skill_at(curve, 0.3) == pytest.approx(1.1)
    assert skill_at(curve, 1.05) == pytest.approx(0.66)  # the upper of two branches
    assert skill_at(curve, 1.2) is None
    assert skill_at([Point(1, 0), Point(1, 2)], 1) == 2


def test_hypervolume_of_simple_curves() -> None:
    assert hypervolume([BEFORE, AFTER]) == pytest.approx(0.5)
    assert hypervolume([BEFORE, Point(1.0, 1.0), AFTER]) == pytest.approx(1.0)
    assert hypervolume([BEFORE, Point(0.5, 0.5), AFTER]) == pytest.approx(0.5)
    assert hypervolume([BEFORE, Point(0.5, 2.0), AFTER]) == pytest.approx(0.5 * 2 + 0.5 * (0 + 2) / 2)
    assert hypervolume([BEFORE, Point(0.5, 0.0), AFTER]) == pytest.approx(0.25)


def test_hypervolume_is_the_area_under_the_front() -> None:
    source = random.Random(0)
    steps = 20_000
    for _ in range(20):
        inner = [
            Point(source.uniform(-0.2, 1.3), source.uniform(-0.2, 1.4)) for _ in range(source.randint(0, 6))
        ]
        curve = [BEFORE, *inner, AFTER]
        last = max(point.reward for point in curve)
        places = (np.arange(steps) + 0.5) / steps * last
        heights = np.nan_to_num(skills_at(np.array([curve]), places[None])[0])
        best = np.maximum.accumulate(np.maximum(heights, 0.0)[::-1])
        assert hypervolume(curve) == pytest.approx(last * best.mean(), abs=2e-3)


def test_curves_are_measured_many_at_a_time() -> None:
    source = random.Random(1)
    curves = [[BEFORE, *(Point(source.random(), source.random()) for _ in range(4)), AFTER] for _ in range(5)]
    assert hypervolumes(np.array(curves)) == pytest.approx([hypervolume(curve) for curve in curves])
    heights = skills_at(np.array(curves), np.full((5, 1), 0.5))
    assert heights[:, 0] == pytest.approx([skill_at(curve, 0.5) for curve in curves])


def test_points_at_other_means_lie_on_the_lines_between_neighbours() -> None:
    weights = mixing(np.array([0.0, 0.5, 1.0]), np.array([0.5, 0.6, 1.2]))
    assert weights == pytest.approx(np.array([[0, 1, 0], [0, 0.8, 0.2], [0, 0, 1]]))


def test_a_point_on_the_curve_adds_nothing() -> None:
    curve = [BEFORE, Point(0.6, 0.9), AFTER]
    assert hypervolume([BEFORE, Point(0.3, 0.95), *curve[1:]]) == pytest.approx(hypervolume(curve))


def test_the_most_skill_within_the_loss() -> None:
    points = [AFTER, Point(0.97, 0.4), Point(0.9, 0.7), Point(0.5, 0.9)]
    assert [recommended(np.array(points), loss) for loss in (0.0, 0.05, 0.1, 1.0)] == [0, 1, 2, 3]
    assert recommended(np.array([BEFORE]), 0.5) is None
