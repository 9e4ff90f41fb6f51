"""Gains over plain averaging at equal reward, read at fixed shares of the reward gain that are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ama.report.front.curves import Array, skills_keeping
from ama.report.front.data import SweepData
from ama.report.front.estimate import Estimate, from_draws, over_seeds
from ama.report.front.model import AFTER, BEFORE, CONTINUOUS, PLAIN, SHARES, SKILL, Front, Gain
from ama.report.front.parameter import in_order


def gains_of(data: SweepData) -> tuple[Gain, ...]:
    """Return every curve's gain in every skill, at each share of the reward gain.

    A curve is the lines between neighbouring points along its parameter; see `skills_keeping` for which of
    several crossings counts. Plain averaging ends in both parents; any other curve in its own first and last
    point, as it need not lead to them, and nothing is extrapolated. In a draw of the bootstrap the same items
    make both curves and both parents, whose rewards say anew what a share is.

    Returns:
        Empty without plain averaging, or without a gain in reward.
    """
    places = [place for place, column in enumerate(data.columns) if _is_read(column.name, panel=column.panel)]
    values, draws = (held[..., [0, *places]] for held in (data.values, data.draws))
    known = np.isfinite(values).all(axis=-1)
    plain = _order(data, PLAIN, known)
    if not plain or not known[[BEFORE, AFTER]].all() or values[AFTER, 0] <= values[BEFORE, 0]:
        return ()
    names = dict.fromkeys(point.curve for point in data.points[AFTER + 1 :] if point.curve != PLAIN)
    both = np.concatenate([values[None], draws])
    base = both[:, [AFTER, *plain, BEFORE]]
    found = []
    for name in names:
        order = _order(data, name, known)
        for share in SHARES:
            levels = both[:, BEFORE, 0] + share * (both[:, AFTER, 0] - both[:, BEFORE, 0])
            levels[both[:, AFTER, 0] <= both[:, BEFORE, 0]] = np.nan
            gains = skills_keeping(both[:, order], levels) - skills_keeping(base, levels)
            for number, place in enumerate(places):
                gain = from_draws(float(gains[0, number]), gains[1:, number])
                why = "" if gain.known else _reach(values, order)
                found.append(Gain(name, data.columns[place].name, share, gain, why))
    return tuple(found)


def _is_read(name: str, *, panel: bool) -> bool:
    return panel or name in (SKILL, CONTINUOUS)


def _order(data: SweepData, name: str, known: Array) -> list[int]:
    """Return a curve's averages that have every number, by its parameter."""
    places = [
        place
        for place in range(AFTER + 1, len(data.points))
        if data.points[place].curve == name and known[place]
    ]
    points = [data.points[place] for place in places]
    return in_order(places, [point.schedule for point in points], [point.mean for point in points])


def _reach(values: Array, order: Sequence[int]) -> str:
    """Return which shares of the reward gain a curve reaches."""
    if not order:
        return "not measured"
    gain = values[AFTER, 0] - values[BEFORE, 0]
    kept = [100 * float((values[place, 0] - values[BEFORE, 0]) / gain) for place in order]
    if len(kept) == 1:
        return f"its only point keeps {kept[0]:.1f} %"
    return f"its points keep {min(kept):.1f} to {max(kept):.1f} %"


def pooled_gains(fronts: Sequence[Front]) -> tuple[Gain, ...]:
    """Return the mean gains over worlds, with Student's t intervals; all worlds must have them."""
    held = [{(gain.curve, gain.column, gain.share): gain for gain in front.gains} for front in fronts]
    pooled = []
    for first in fronts[0].gains:
        same = [gains.get((first.curve, first.column, first.share)) for gains in held]
        values = [np.nan if gain is None else gain.gain.value for gain in same]
        lacking = [
            f"{front.folders[0]}: {'no gains' if gain is None else gain.why}"
            for front, gain in zip(fronts, same, strict=True)
            if gain is None or not gain.gain.known
        ]
        pooled.append(Gain(first.curve, first.column, first.share, over_seeds(values), "; ".join(lacking)))
    return tuple(pooled)


def gains_json(front: Front) -> str:
    """Return the gains for programs: of one sweep with intervals over items, of several over worlds."""
    content = {
        "sweeps": list(front.folders),
        "intervals": "Student's t over sweeps" if front.pooled else "bootstrap paired on items",
        "gains": [*_records(front)],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _records(front: Front) -> Iterator[dict[str, Any]]:
    for gain in front.gains:
        yield {"curve": gain.curve, "score": gain.column, "share": gain.share, **_numbers(gain.gain)} | (
            {"why": gain.why} if gain.why else {}
        )


def _numbers(estimate: Estimate) -> dict[str, float | None]:
    ends = estimate.low, estimate.high
    half = None if ends[0] is None or ends[1] is None else (ends[1] - ends[0]) / 2
    value = estimate.value if estimate.known else None
    return {"gain": value, "error": estimate.error, "low": ends[0], "high": ends[1], "half_width": half}
