"""Numbers with their uncertainty: from a bootstrap of a measure's items, or from one number for each seed."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from ama.evaluation.items import Items, read_items
from ama.evaluation.scores import LIKELIHOOD, Score
from ama.evaluation.sweep.record import SweepMeasure
from ama.report.front.curves import Array

LEVEL = 0.95
# A number that is undefined in more of the draws has no interval.
_LEAST_DEFINED = 0.9
# Above this the items are not those of the number.
_TOLERANCE = 1e-4
# What fits into memory comfortably: weights of this many draws times items at a time.
_CHUNK = 4_000_000
# lm-eval reports shares, but SQuAD's official metric, which it takes over, is in percent.
_IN_PERCENT = "squadv2"


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


def from_draws(value: float, draws: Array) -> Estimate:
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
    error = float(np.std(values, ddof=1) / len(values) ** 0.5)
    reach = error * float(stdtrit(len(values) - 1, (1 + LEVEL) / 2))
    return Estimate(mean, error, mean - reach, mean + reach)


@dataclass(frozen=True)
class MeasureDraws:
    """The numbers of one measure.

    Attributes:
        values: of each point, shape (points,); NaN where missing.
        draws: of each draw of the bootstrap, shape (draws, points).
        notes: where the errors do not come of shared items.
    """

    values: Array
    draws: Array
    notes: tuple[str, ...]


def factor_of(measure: SweepMeasure, rows: Sequence[Score]) -> float:
    """Return what brings a measure to percent: 100 for accuracies, likelihoods and lm-eval's F1: shares."""
    if measure.group in ("common_sense", LIKELIHOOD):
        return 100.0
    shares = any(row.backend == "lm_eval" for row in rows) and measure.task != _IN_PERCENT
    return 100.0 if measure.group == "reading" and shares else 1.0


def draw_measure(
    path: Path, measure: SweepMeasure, rows: Sequence[Score | None], draws: int, seed: int
) -> MeasureDraws:
    """Draw the items of a measure anew, the same for all points, and compute its numbers.

    Args:
        path: file of scores.
        measure: which.
        rows: of each point, None where there is none.
        draws: how many.
        seed: the same seed gives the same draws, whatever is measured on the items.

    Raises:
        UserError: a file of items is broken.
    """
    found = [row for row in rows if row is not None]
    factor = factor_of(measure, found)
    values = np.array([np.nan if row is None else row.value for row in rows])
    drawn = np.full((draws, len(rows)), np.nan)
    items = {
        place: held
        for place, row in enumerate(rows)
        if row is not None and (held := read_items(path, row)) is not None and _matches(held, row)
    }
    counts = sorted({len(held.rows) for held in items.values()})
    # Crc32, not hash: that differs between processes.
    key = zlib.crc32(measure.task.encode())
    for count in counts:
        places = [place for place, held in items.items() if len(held.rows) == count]
        same = [items[place] for place in places]
        drawn[:, places] = _shared_draws(same, draws, [seed, key, count])
    alone = [place for place, row in enumerate(rows) if row is not None and place not in items]
    for place in alone:
        error = _error(rows[place])
        generator = np.random.default_rng([seed, key, zlib.crc32(measure.name.encode()), place])
        drawn[:, place] = values[place] + error * generator.standard_normal(draws)
    return MeasureDraws(factor * values, factor * drawn, tuple(_notes(measure.name, counts, rows, alone)))


def _error(row: Score | None) -> float:
    """Return a row's standard error, 0 where it has none."""
    return 0.0 if row is None or row.stderr is None else row.stderr


def _matches(items: Items, row: Score) -> bool:
    """Tell whether the items give the row's number."""
    value = float(items.values(np.ones((1, len(items.rows))))[0])
    return abs(value - row.value) <= _TOLERANCE * max(1.0, abs(row.value))


def _shared_draws(same: Sequence[Items], draws: int, seed: Sequence[int]) -> Array:
    """Return the numbers of several models on the same items, shape (draws, models)."""
    count = len(same[0].rows)
    step = max(1, _CHUNK // count)
    parts = []
    for number, start in enumerate(range(0, draws, step)):
        weights = item_weights(count, min(step, draws - start), [*seed, number])
        parts.append(np.stack([held.values(weights) for held in same], axis=1))
    return np.concatenate(parts)


def item_weights(items: int, draws: int, seed: Sequence[int]) -> Array:
    """Return how often each item occurs in each draw of the bootstrap, shape (draws, items).

    Args:
        items: how many there are, 1 or more.
        draws: how many draws.
        seed: the same seed gives the same draws.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(items, np.full(items, 1 / items), size=draws).astype(np.float64)


def _notes(name: str, counts: Sequence[int], rows: Sequence[Score | None], alone: Sequence[int]) -> list[str]:
    notes = []
    if len(counts) > 1:
        sizes = " and ".join(map(str, counts))
        notes.append(f"{name} was measured on different numbers of items ({sizes}): those are not paired.")
    known = [place for place in alone if (row := rows[place]) is not None and row.stderr is not None]
    if known:
        notes.append(
            f"{name} has no items that give its number at {_points(len(known))}: "
            "its errors there are those of the rows, and not paired."
        )
    if len(known) < len(alone):
        notes.append(
            f"{name} has neither items nor a standard error at {_points(len(alone) - len(known))}: "
            "it counts as exact there."
        )
    return notes


def _points(count: int) -> str:
    return f"{count} point{'' if count == 1 else 's'}"
