"""The reward-tax front: points of reward and skill between the parents, compared as curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ama.errors import UserError
from ama.report.front.area import Array, hypervolumes, skills_at


class Point(NamedTuple):
    """One average, scored. Both numbers are better when they are larger."""

    reward: float
    skill: float


def non_dominated(points: Sequence[Point]) -> list[bool]:
    """Tell for each point whether no other is at least as good in both and better in one."""
    return [not any(_dominates(other, point) for other in points) for point in points]


def _dominates(one: Point, other: Point) -> bool:
    return one.reward >= other.reward and one.skill >= other.skill and one != other


def scaled(points: Sequence[Point], before: Point, after: Point) -> list[Point]:
    """Return points in units of the parents: reward 0 is before's and 1 after's, skill the other way round.

    Raises:
        UserError: after has no more reward than before, or no less skill: there is no tax to take back.
    """
    gain, tax = after.reward - before.reward, before.skill - after.skill
    if gain <= 0 or tax <= 0:
        raise UserError(
            f"reward {before.reward:.4g} before and {after.reward:.4g} after, "
            f"skill {before.skill:.4g} before and {after.skill:.4g} after: "
            "a front needs more reward and less skill after than before"
        )
    return [Point((p.reward - before.reward) / gain, (p.skill - after.skill) / tax) for p in points]


def skill_at(curve: Sequence[Point], reward: float) -> float | None:
    """Return the best skill that a curve reaches at a reward, on the lines between neighbouring points.

    Args:
        curve: in the order of its ratios, the parents among them; it may bend back.
        reward: where.

    Returns:
        The skill, None where the curve does not reach the reward.
    """
    skill = float(skills_at(_array(curve), np.array([[reward]], dtype=np.float64))[0, 0])
    return None if math.isnan(skill) else skill


def hypervolume(curve: Sequence[Point]) -> float:
    """Return the area that a curve dominates above and to the right of (0, 0), the parents' corner.

    A point dominates all that is no better in either number. The curve is taken as the lines between its
    points, so that one with few points is not punished for the steps of a staircase.

    Args:
        curve: `scaled` points in the order of their ratios, both parents among them.

    Returns:
        The area, 0 or more; the straight line between the parents has 0.5.
    """
    return float(hypervolumes(_array(curve))[0])


def _array(curve: Sequence[Point]) -> Array:
    return np.array([curve], dtype=np.float64)


def recommended(points: Sequence[Point], before: Point, after: Point, loss: float) -> int | None:
    """Return which point has the most skill of those that lose at most a share of the reward that was gained.

    Args:
        points: to choose from.
        before: the model before RLHF.
        after: the model after RLHF.
        loss: in [0, 1].

    Returns:
        Its number, None if there is no such point.
    """
    least = after.reward - loss * (after.reward - before.reward)
    able = [i for i, point in enumerate(points) if point.reward >= least]
    return max(able, key=lambda i: (points[i].skill, points[i].reward), default=None)
