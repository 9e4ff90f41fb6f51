"""Points and curves in the plane of reward and skill: dominance, height, area, and which point to choose.

Both numbers are better when they are larger. Scaled, before RLHF lies at (0, 1) and after it at (1, 0).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def is_known(points: Array) -> NDArray[np.bool_]:
    """Tell for each point, the last axis being reward and skill, whether both are there."""
    return np.asarray(np.isfinite(points).all(axis=-1))


def non_dominated(points: Array) -> list[bool]:
    """Tell for each point whether no other is at least as good in both and better in one.

    Args:
        points: shape (points, 2); one with a NaN counts as dominated, and dominates none.
    """
    one, other = points[:, None], points[None]
    dominates = (one >= other).all(axis=-1) & (one != other).any(axis=-1)
    return [bool(flag) for flag in is_known(points) & ~dominates.any(axis=0)]


def recommended(points: Array, most_loss: float) -> int | None:
    """Return which point has the most skill of those that lose at most a share of the reward that was gained.

    Args:
        points: scaled, shape (points, 2); NaN where missing.
        most_loss: in [0, 1].

    Returns:
        Its number, None if there is no such point.
    """
    able = [number for number in np.flatnonzero(is_known(points)) if points[number, 0] >= 1 - most_loss]
    return max(map(int, able), key=lambda number: (points[number, 1], points[number, 0]), default=None)


def singled_out(points: Array, most_loss: float) -> list[tuple[str, int]]:
    """Return what a report singles out points for, and their numbers: the recommended one comes first.

    Args:
        points: scaled, shape (points, 2), the parents among them; NaN where missing.
        most_loss: share of the reward gain that the recommended one may lose, in [0, 1].
    """
    # After itself loses nothing, so there is always one.
    best = recommended(points, most_loss)
    named = [] if best is None else [(f"recommended: loses at most {100 * most_loss:g} % of the gain", best)]
    return [*named, ("highest sum of scaled reward and skill", int(np.nanargmax(points.sum(axis=-1))))]


def skills_at(curves: Array, rewards: Array) -> Array:
    """Return the best skill that each curve reaches at its rewards, on the lines between neighbouring points.

    Args:
        curves: reward and skill of the points in the order of their ratios, shape (curves, points, 2); they
            may bend back.
        rewards: where, shape (curves, places).

    Returns:
        Shape (curves, places), NaN where the curve does not reach the reward.
    """
    start, end = curves[:, None, :-1], curves[:, None, 1:]
    swap = (start[..., 0] > end[..., 0]) | ((start[..., 0] == end[..., 0]) & (start[..., 1] > end[..., 1]))
    low, high = (np.where(swap[..., None], *pair) for pair in ((end, start), (start, end)))
    place, width = rewards[..., None], high[..., 0] - low[..., 0]
    # Of two points of one reward, the higher comes last.
    share = np.where(width > 0, (place - low[..., 0]) / np.where(width > 0, width, 1.0), 1.0)
    skills = low[..., 1] + share * (high[..., 1] - low[..., 1])
    reached = (low[..., 0] <= place) & (place <= high[..., 0])
    best = np.where(reached, skills, -np.inf).max(axis=-1)
    return np.where(np.isneginf(best), np.nan, best)


def skills_keeping(curves: Array, rewards: Array) -> Array:
    """Return the skills where each curve keeps just so much reward, on the lines between neighbouring points.

    A curve that bends back has the reward several times; the crossing of the largest parameter counts. There
    most of before is given back; and which crossing it is depends on rewards alone, so that noise in the
    skills is not picked from, as it would be by the best of all crossings.

    Args:
        curves: reward and skills of the points in the order of their parameter, from after towards before,
            shape (curves, points, 1 + skills).
        rewards: where, shape (curves,).

    Returns:
        Shape (curves, skills), NaN where the curve does not have the reward, and for less than two points.
    """
    if curves.shape[1] < 2:
        return np.full((len(curves), curves.shape[2] - 1), np.nan)
    start, end, place = curves[:, :-1], curves[:, 1:], rewards[:, None]
    low, high = np.minimum(start[..., 0], end[..., 0]), np.maximum(start[..., 0], end[..., 0])
    reached = (low <= place) & (place <= high)
    last = start.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1)
    row = np.arange(len(curves))
    first, second = start[row, last], end[row, last]
    width = second[:, 0] - first[:, 0]
    share = np.where(width != 0, (rewards - first[:, 0]) / np.where(width != 0, width, 1.0), 1.0)[:, None]
    skills = first[:, 1:] + share * (second[:, 1:] - first[:, 1:])
    return np.where(reached.any(axis=1)[:, None], skills, np.nan)


def hypervolumes(curves: Array) -> Array:
    """Return the area that each curve dominates above and to the right of (0, 0), the parents' corner.

    A point dominates all that is no better in either number. A curve is taken as the lines between its
    points, so that one with few points is not punished for the steps of a staircase.

    Args:
        curves: scaled points in the order of their ratios, finite, both parents among them, shape
            (curves, points, 2).

    Returns:
        Shape (curves,), 0 or more; the straight line between the parents has 0.5.
    """
    edges = _edges(curves)
    # Between two edges the front is one straight line: the middle gives its area.
    middles = (edges[:, 1:] + edges[:, :-1]) / 2
    beyond = curves[:, None, :, 0] >= middles[..., None]
    corners = np.where(beyond, curves[:, None, :, 1], 0.0).max(axis=-1)
    heights = np.fmax(np.maximum(corners, 0.0), skills_at(curves, middles))
    return np.asarray((np.diff(edges) * heights).sum(axis=1))


def _edges(curves: Array) -> Array:
    """Return every reward from 0 to the curve's last at which the front may turn, in order."""
    rewards, skills = curves[..., 0], curves[..., 1]
    step = np.diff(curves, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Where a line between neighbours has the skill of a point.
        shares = (skills[:, None] - skills[:, :-1, None]) / step[..., 1, None]
        levels = rewards[:, :-1, None] + shares * step[..., 0, None]
        # Where it crosses another.
        first, second = np.triu_indices(step.shape[1], 1)
        gap = curves[:, second] - curves[:, first]
        turn = _cross(step[:, first], step[:, second])
        crossings = rewards[:, first] + step[:, first, 0] * _cross(gap, step[:, second]) / turn
    count = len(curves)
    found = np.concatenate([np.zeros((count, 1)), rewards, levels.reshape(count, -1), crossings], axis=1)
    inside = np.isfinite(found) & (found >= 0) & (found <= rewards.max(axis=1, keepdims=True))
    return np.sort(np.where(inside, found, 0.0), axis=1)


def _cross(one: Array, other: Array) -> Array:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])


def mixing(means: Array, wanted: Array) -> Array:
    """Return which mix of a curve's points lies at other mean ratios, on the lines between neighbours.

    Args:
        means: of the points, increasing, shape (points,).
        wanted: mean ratios, shape (places,); one outside takes the nearest end.

    Returns:
        Shape (places, points); rows sum to 1.
    """
    return np.stack([np.interp(wanted, means, unit) for unit in np.eye(len(means))], axis=1)
