"""The figures of one sweep: points and curves with their errors, and the points that it singles out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ama.report.front.compare import Comparison
from ama.report.front.curves import Point, non_dominated, recommended
from ama.report.front.data import SweepData
from ama.report.front.estimate import Estimate, from_draws
from ama.report.front.items import Array
from ama.report.front.model import (
    AFTER,
    BEFORE,
    Choice,
    Front,
    FrontPoint,
    FrontSettings,
)
from ama.report.front.scale import Scale, scale_of

_NAMES = {BEFORE: "before", AFTER: "after"}


def single_front(data: SweepData, settings: FrontSettings, facts: Sequence[tuple[str, str]]) -> Front:
    """Return all figures of a sweep.

    Args:
        data: the sweep.
        settings: the loss that is allowed.
        facts: its provenance.
    """
    plane, draws = data.values[:, :2], data.draws[:, :, :2]
    scale = _missing_parent(data) or scale_of(plane, draws)
    if isinstance(scale, str):
        points = _points(data, None, None)
        return Front((str(data.folder),), data.columns, points, (), (), scale, data.notes, tuple(facts))
    comparison = Comparison(data, scale)
    points = _points(data, scale, comparison)
    names = dict.fromkeys(point.curve for point in data.points[AFTER + 1 :])
    singled = chosen([(float(x), float(y)) for x, y in scale.points], settings.most_loss)
    return Front(
        (str(data.folder),),
        data.columns,
        points,
        tuple(comparison.curve(name) for name in names),
        tuple(Choice(title, number, _gaps(plane, draws, number)) for title, number in singled),
        None,
        (*data.notes, *scale.notes),
        tuple(facts),
    )


def chosen(places: Sequence[tuple[float, float]], most_loss: float) -> list[tuple[str, int]]:
    """Return the points that are singled out, and for what: the recommended one, and the best compromise.

    Args:
        places: scaled reward and skill of every point, the parents first; NaN where missing.
        most_loss: share of the reward gain that the recommended one may lose.
    """
    known = [number for number, place in enumerate(places) if np.isfinite(place).all()]
    points = [Point(*places[number]) for number in known]
    # After itself loses nothing, so there is always one.
    advised = recommended(points, Point(0.0, 1.0), Point(1.0, 0.0), most_loss)
    sums = [point.reward + point.skill for point in points]
    named = (
        []
        if advised is None
        else [(f"recommended: loses at most {100 * most_loss:g} % of the gain", known[advised])]
    )
    return [*named, ("highest sum of scaled reward and skill", known[sums.index(max(sums))])]


def best_flags(places: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of each point whether it has a place, and no other point dominates it."""
    known = [bool(np.isfinite(place).all()) for place in places]
    flags = iter(non_dominated([Point(*place) for place, there in zip(places, known, strict=True) if there]))
    return [there and next(flags) for there in known]


def _points(data: SweepData, scale: Scale | None, comparison: Comparison | None) -> tuple[FrontPoint, ...]:
    flags = best_flags([(float(x), float(y)) for x, y in data.values[:, :2]])
    points = []
    for number, point in enumerate(data.points):
        distance, share = (None, None) if comparison is None else comparison.distance([number])
        points.append(
            FrontPoint(
                curve=point.curve if number > AFTER else "",
                schedule=_NAMES.get(number, point.schedule),
                mean=point.mean,
                ratios=point.ratios,
                scores={
                    column.name: from_draws(data.values[number, place], data.draws[:, number, place])
                    for place, column in enumerate(data.columns)
                },
                scaled=None if scale is None else scale.estimates(number),
                best=flags[number],
                distance=distance,
                scaled_distance=share,
                failed=data.failed[number],
            )
        )
    return tuple(points)


def _missing_parent(data: SweepData) -> str | None:
    """Return why a parent has no place in the plane of reward and skill, None where both have one."""
    for number, name in _NAMES.items():
        if not np.isfinite(data.values[number, :2]).all():
            reasons = "; ".join(f"{measure}: {why}" for measure, why in data.failed[number].items())
            return f"The model {name} RLHF was not measured whole ({reasons}), so that nothing can be scaled."
    return None


def _gaps(
    plane: Array, draws: Array, number: int
) -> tuple[tuple[Estimate, Estimate], tuple[Estimate, Estimate]]:
    """Return by how much a point's reward and skill exceed before's, and by how much after's."""

    def gap(parent: int, axis: int) -> Estimate:
        value = plane[number, axis] - plane[parent, axis]
        return from_draws(value, draws[:, number, axis] - draws[:, parent, axis])

    to_before, to_after = ((gap(parent, 0), gap(parent, 1)) for parent in (BEFORE, AFTER))
    return to_before, to_after
