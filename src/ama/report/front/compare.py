"""Curves of one sweep against plain averaging, in units of the parents: in all items and in every draw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ama.report.front.curves import Array, hypervolumes, is_known, mixing, skills_at
from ama.report.front.data import SweepData
from ama.report.front.estimate import Estimate, from_draws
from ama.report.front.model import AFTER, BEFORE, PLAIN, FrontCurve

Distance = tuple[Estimate | None, Estimate | None]
# Of the draws; with more of them without a tax, intervals of what is scaled say little.
_FEW = 0.01


@dataclass(frozen=True)
class Scale:
    """Points on the scale where reward is 0 for before and 1 for after, and skill the other way round.

    Attributes:
        points: shape (points, 2); NaN where missing.
        draws: shape (draws, points, 2); NaN in draws without a tax.
        tax: before's skill minus after's, more than 0.
        tax_draws: shape (draws,); NaN where it is not.
        notes: what a reader must know.
    """

    points: Array
    draws: Array
    tax: float
    tax_draws: Array
    notes: tuple[str, ...]

    def estimates(self, number: int) -> tuple[Estimate, Estimate]:
        """Return the scaled reward and skill of a point."""
        reward, skill = (
            from_draws(self.points[number, axis], self.draws[:, number, axis]) for axis in (0, 1)
        )
        return reward, skill

    def areas(self, curve_of: Callable[[Array], Array]) -> tuple[float, Array]:
        """Return the hypervolume of a curve in all items and in each draw, there NaN without a tax.

        Args:
            curve_of: takes points of shape (n, points, 2) and returns the curve's, finite.
        """
        taxed = np.isfinite(self.tax_draws)
        found = np.full(len(self.draws), np.nan)
        found[taxed] = hypervolumes(curve_of(self.draws[taxed]))
        return float(hypervolumes(curve_of(self.points[None]))[0]), found


def scale_of(plane: Array, draws: Array) -> Scale | str:
    """Scale all points, or say in one sentence why there is no tax to scale by.

    Args:
        plane: reward and skill, shape (points, 2); the parents' are finite.
        draws: the same in each draw, shape (draws, points, 2).
    """
    zero, unit = _origin_and_unit(plane)
    if not (unit > 0).all():
        (reward, skill), (reward_after, skill_after) = plane[BEFORE], plane[AFTER]
        return (
            f"There is no alignment tax here: reward {reward:.4g} before and {reward_after:.4g} after "
            f"RLHF, mean skill {skill:.4g} before and {skill_after:.4g} after. A front needs more "
            "reward and less skill after, so that nothing is scaled and no curves are compared."
        )
    zeros, units = _origin_and_unit(draws)
    taxed = (units > 0).all(axis=1)
    units = np.where(taxed[:, None], units, np.nan)
    lost = 1 - float(taxed.mean())
    notes = (
        f"In {lost:.1%} of the bootstrap's draws there is no tax: it is small against its error, and the "
        "intervals of scaled figures leave those draws out.",
    )
    return Scale(
        (plane - zero) / unit,
        (draws - zeros[:, None]) / units[:, None],
        float(unit[1]),
        units[:, 1],
        notes if lost > _FEW else (),
    )


def _origin_and_unit(plane: Array) -> tuple[Array, Array]:
    """Return where reward and skill are 0 and how far 1 lies from there, for shape (..., points, 2)."""
    zero = np.stack([plane[..., BEFORE, 0], plane[..., AFTER, 1]], axis=-1)
    return zero, np.stack([plane[..., AFTER, 0], plane[..., BEFORE, 1]], axis=-1) - zero


class Comparison:
    """A sweep with a tax, its curves compared."""

    def __init__(self, data: SweepData, scale: Scale) -> None:
        """Find plain averaging, if the sweep has it."""
        self._data, self.scale = data, scale
        plain = self._order(PLAIN)
        self._plain = plain if len(plain) > 2 else None

    def distance(self, numbers: Sequence[int]) -> Distance:
        """Return the mean distance of points to plain averaging at equal reward, and its share of the tax.

        Parents, points of plain averaging and points beyond its rewards are left out; None if none remains.
        """
        held = {number: self._above(self._data.values[None], number)[0] for number in self._others(numbers)}
        able = [number for number, value in held.items() if np.isfinite(value)]
        if not able:
            return None, None
        draws = np.stack([self._above(self._data.draws, number) for number in able], axis=1)
        # A draw may put a point beyond plain averaging's rewards: the mean is then over the others.
        count = np.isfinite(draws).sum(axis=1)
        mean = np.where(count > 0, np.nansum(draws, axis=1) / np.maximum(count, 1), np.nan)
        value = float(np.mean([held[number] for number in able]))
        share = from_draws(value / self.scale.tax, mean / self.scale.tax_draws)
        return from_draws(value, mean), share

    def curve(self, name: str) -> FrontCurve:
        """Return a curve's figures."""
        numbers = self._order(name)
        own, own_draws = self.scale.areas(lambda points: points[:, numbers])
        plain = gain = None
        if name != PLAIN and self._plain is not None:
            base = self._plain
            weights = mixing(self._means(base), self._means(numbers))
            same, same_draws = self.scale.areas(lambda points: weights @ points[:, base])
            plain, gain = from_draws(same, same_draws), from_draws(own - same, own_draws - same_draws)
        return FrontCurve(name, numbers, from_draws(own, own_draws), plain, gain, *self.distance(numbers))

    def _order(self, name: str) -> tuple[int, ...]:
        """Return a curve's points that have a place, after first, before last, by mean ratio."""
        points = self._data.points
        inner = [
            number
            for number in range(AFTER + 1, len(points))
            if points[number].curve == name and is_known(self._data.values[number, :2])
        ]
        return (AFTER, *sorted(inner, key=lambda number: points[number].mean), BEFORE)

    def _means(self, numbers: Sequence[int]) -> Array:
        fixed = {BEFORE: 1.0, AFTER: 0.0}
        return np.array([fixed.get(number, self._data.points[number].mean) for number in numbers])

    def _others(self, numbers: Sequence[int]) -> list[int]:
        points = self._data.points
        return [number for number in numbers if number > AFTER and points[number].curve != PLAIN]

    def _above(self, values: Array, number: int) -> Array:
        """Return a point's skill minus plain averaging's at its reward, shape (n,), for values of n draws."""
        if self._plain is None:
            return np.full(len(values), np.nan)
        there = skills_at(values[:, self._plain, :2], values[:, [number], 0])[:, 0]
        return np.asarray(values[:, number, 1] - there)
