"""Numbers with their uncertainty: from draws of a bootstrap, or from one number for each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
# A number that is undefined in more of the draws has no interval.
_LEAST_DEFINED = 0.9


@dataclass(frozen=True)
class Estimate:
    """A number.

    Attributes:
        value: NaN where it is missing.
        error: standard error, None where it is not known.
        low: lower end of the 95 % interval, None where it is not known.
        high: upper end.
    """

    value: float
    error: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return bool(np.isfinite(self.value))


def from_draws(value: float, draws: NDArray[np.float64]) -> Estimate:
    """Return a number with its standard error and 95 % percentile interval.

    Args:
        value: from all items, NaN if it is missing.
        draws: the number in each draw of the bootstrap, shape (draws,); NaN where it is undefined.
    """
    finite = draws[np.isfinite(draws)]
    if not np.isfinite(value) or len(finite) < max(2, _LEAST_DEFINED * len(draws)):
        return Estimate(float(value))
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(finite.std(ddof=1)), float(low), float(high))


def over_seeds(values: Sequence[float]) -> Estimate:
    """Return the mean of one number for each seed, with its standard error and Student's t interval at 95 %.

    Missing if one of them is; without an interval if there is only one.
    """
    mean = float(np.mean(values))
    if len(values) < 2 or not np.isfinite(mean):
        return Estimate(mean)
    from scipy.stats import t

    error = float(np.std(values, ddof=1) / len(values) ** 0.5)
    reach = error * float(t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return Estimate(mean, error, mean - reach, mean + reach)


def item_weights(items: int, draws: int, seed: Sequence[int]) -> NDArray[np.float64]:
    """Return how often each item occurs in each draw of the bootstrap, shape (draws, items).

    Args:
        items: how many there are, 1 or more.
        draws: how many draws.
        seed: the same seed gives the same draws, whatever is measured on the items.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(items, np.full(items, 1 / items), size=draws).astype(np.float64)
