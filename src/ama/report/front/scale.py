"""A sweep's points in units of its parents, in all items and in every draw of the bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ama.errors import UserError
from ama.report.front.area import hypervolumes
from ama.report.front.curves import Point, scaled
from ama.report.front.estimate import Estimate, from_draws
from ama.report.front.items import Array
from ama.report.front.model import AFTER, BEFORE

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
    before, after = (Point(*map(float, plane[parent])) for parent in (BEFORE, AFTER))
    try:
        points = np.array(scaled([Point(*map(float, place)) for place in plane], before, after))
    except UserError:
        return (
            f"There is no alignment tax here: reward {before.reward:.4g} before and {after.reward:.4g} after "
            f"RLHF, mean skill {before.skill:.4g} before and {after.skill:.4g} after. A front needs more "
            "reward and less skill after, so that nothing is scaled and no curves are compared."
        )
    zero = np.stack([draws[:, BEFORE, 0], draws[:, AFTER, 1]], axis=1)
    unit = np.stack([draws[:, AFTER, 0], draws[:, BEFORE, 1]], axis=1) - zero
    taxed = (unit > 0).all(axis=1)
    unit = np.where(taxed[:, None], unit, np.nan)
    lost = 1 - float(taxed.mean())
    notes = (
        f"In {lost:.1%} of the bootstrap's draws there is no tax: it is small against its error, and the "
        "intervals of scaled figures leave those draws out.",
    )
    return Scale(
        points,
        (draws - zero[:, None]) / unit[:, None],
        before.skill - after.skill,
        unit[:, 1],
        notes if lost > _FEW else (),
    )
