"""The reward-tax front: points of reward and skill between the parents, compared as curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from ama.core.errors import UserError


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
    found = []
    for pair in pairwise(curve):
        low, high = sorted(pair)
        if low.reward <= reward <= high.reward:
            width = high.reward - low.reward
            share = (reward - low.reward) / width if width else 1.0
            # Of two points of one reward, the higher comes last.
            found.append(low.skill + share * (high.skill - low.skill))
    return max(found, default=None)


def hypervolume(curve: Sequence[Point]) -> float:
    """Return the area that a curve dominates above and to the right of (0, 0), the parents' corner.

    A point dominates all that is no better in either number. The curve is taken as the lines between its
    points, so that one with few points is not punished for the steps of a staircase.

    Args:
        curve: `scaled` points in the order of their ratios, both parents among them.

    Returns:
        The area, 0 or more; the straight line between the parents has 0.5.
    """
    edges = _edges(curve)
    # Between two edges the front is one straight line: the middle gives its area.
    areas = ((right - left) * _front_at(curve, (left + right) / 2) for left, right in pairwise(edges))
    return sum(areas)


def _edges(curve: Sequence[Point]) -> list[float]:
    """Return every reward, from 0 on, at which the front may turn."""
    segments = list(pairwise(curve))
    found = {0.0, *(point.reward for point in curve)}
    for one, other in segments:
        found.update(_at_level(one, other, point.skill) for point in curve if one.skill != other.skill)
    for first, second in combinations(segments, 2):
        found.update(_crossing(*first, *second))
    last = max(point.reward for point in curve)
    return sorted(edge for edge in found if 0.0 <= edge <= last)


def _at_level(one: Point, other: Point, skill: float) -> float:
    """Return the reward at which the line through two points has a skill."""
    return one.reward + (skill - one.skill) / (other.skill - one.skill) * (other.reward - one.reward)


def _crossing(a: Point, b: Point, c: Point, d: Point) -> Iterator[float]:
    """Yield the reward at which the line through a and b crosses that through c and d, if it does."""
    x, y, u, v = b.reward - a.reward, b.skill - a.skill, d.reward - c.reward, d.skill - c.skill
    if turn := x * v - y * u:
        yield a.reward + x * ((c.reward - a.reward) * v - (c.skill - a.skill) * u) / turn


def _front_at(curve: Sequence[Point], reward: float) -> float:
    """Return the best skill at this reward or more, 0 or more."""
    here = skill_at(curve, reward)
    beyond = [point.skill for point in curve if point.reward >= reward]
    return max([0.0, *beyond, *([] if here is None else [here])])


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
