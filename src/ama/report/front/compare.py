"""Curves of one sweep against plain averaging: at equal reward, and at the same mean ratios."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ama.report.front.area import mixing, skills_at
from ama.report.front.data import SweepData
from ama.report.front.estimate import Estimate, from_draws
from ama.report.front.items import Array
from ama.report.front.model import AFTER, BEFORE, PLAIN, FrontCurve
from ama.report.front.scale import Scale

Distance = tuple[Estimate | None, Estimate | None]


class Comparison:
    """A sweep with a tax, its curves compared."""

    def __init__(self, data: SweepData, scale: Scale) -> None:
        """Find plain averaging, if the sweep has it."""
        self._data, self._scale = data, scale
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
        share = from_draws(value / self._scale.tax, mean / self._scale.tax_draws)
        return from_draws(value, mean), share

    def curve(self, name: str) -> FrontCurve:
        """Return a curve's figures."""
        numbers = self._order(name)
        own, own_draws = self._scale.areas(lambda points: points[:, numbers])
        plain = gain = None
        if name != PLAIN and self._plain is not None:
            base = self._plain
            weights = mixing(self._means(base), self._means(numbers))
            same, same_draws = self._scale.areas(lambda points: weights @ points[:, base])
            plain, gain = from_draws(same, same_draws), from_draws(own - same, own_draws - same_draws)
        return FrontCurve(name, numbers, from_draws(own, own_draws), plain, gain, *self.distance(numbers))

    def _order(self, name: str) -> tuple[int, ...]:
        """Return a curve's points that have a place, after first, before last, by mean ratio."""
        points = self._data.points
        inner = [
            number
            for number in range(AFTER + 1, len(points))
            if points[number].curve == name and np.isfinite(self._data.values[number, :2]).all()
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
