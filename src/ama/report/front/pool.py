"""Several sweeps of the same curves as one front: means over seeds with Student's t intervals."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ama.errors import UserError
from ama.report.front.curves import non_dominated, singled_out
from ama.report.front.estimate import Estimate, over_seeds
from ama.report.front.gains import pooled_gains
from ama.report.front.model import AFTER, BEFORE, REWARD, SKILL, Choice, Front, FrontCurve, FrontPoint
from ama.settings.report import FrontSettings


def pooled_front(fronts: Sequence[Front], settings: FrontSettings, facts: Sequence[tuple[str, str]]) -> Front:
    """Return the front of several seeds.

    Args:
        fronts: one of each sweep, two or more.
        settings: the loss that is allowed.
        facts: provenance of all of them.

    Raises:
        UserError: the sweeps have other curves or measures.
    """
    first = fronts[0]
    for other in fronts[1:]:
        _check(first, other)
    untaxed = [front for front in fronts if front.no_tax is not None]
    points = [_point(fronts, number, not untaxed) for number in range(len(first.points))]
    places = np.array([_place(point) for point in points])
    flags = non_dominated(places)
    points = [replace(point, best=flag) for point, flag in zip(points, flags, strict=True)]
    curves: tuple[FrontCurve, ...] = ()
    choices: tuple[Choice, ...] = ()
    if not untaxed:
        curves = tuple(_curve(fronts, place, points) for place in range(len(first.curves)))
        choices = tuple(
            Choice(title, number, (_gap(fronts, number, BEFORE), _gap(fronts, number, AFTER)))
            for title, number in singled_out(places, settings.most_loss)
        )
    return Front(
        tuple(folder for front in fronts for folder in front.folders),
        first.columns,
        tuple(points),
        curves,
        choices,
        f"{untaxed[0].folders[0]}: {untaxed[0].no_tax}" if untaxed else None,
        tuple(dict.fromkeys(f"{front.folders[0]}: {note}" for front in fronts for note in front.notes)),
        tuple(facts),
        tuple(fronts),
        pooled_gains(fronts),
    )


def _check(first: Front, other: Front) -> None:
    """Raise UserError unless two sweeps can be pooled."""
    names = (first.folders[0], other.folders[0])
    for what, ours, theirs in (
        ("measures", [c.label for c in first.columns], [c.label for c in other.columns]),
        ("curves", _shape(first), _shape(other)),
    ):
        if ours != theirs:
            only = [
                entry for entry in dict.fromkeys([*ours, *theirs]) if ours.count(entry) != theirs.count(entry)
            ]
            raise UserError(
                f"{names[0]} and {names[1]} have different {what} ({', '.join(only) or 'another order'}): "
                "pool sweeps of the same curves and measures, or show each by itself"
            )


def _shape(front: Front) -> list[str]:
    """Return each curve's name and number of points."""
    curves = [point.curve for point in front.points[AFTER + 1 :]]
    return [f"{name or 'unnamed'} with {curves.count(name)}" for name in dict.fromkeys(curves)]


def _place(point: FrontPoint) -> tuple[float, float]:
    if point.scaled is not None:
        return point.scaled[0].value, point.scaled[1].value
    return point.scores[REWARD].value, point.scores[SKILL].value


def _point(fronts: Sequence[Front], number: int, taxed: bool) -> FrontPoint:
    """Pool one point of each seed."""
    same = [front.points[number] for front in fronts]
    first = same[0]
    schedules = list(dict.fromkeys(point.schedule for point in same))
    labels = [label for label in first.ratios if all(label in point.ratios for point in same)]
    return FrontPoint(
        curve=first.curve,
        schedule=schedules[0] if len(schedules) == 1 else f"{schedules[0]} and the like",
        mean=_mean([point.mean for point in same]),
        ratios={label: _mean([point.ratios[label] for point in same]) for label in labels},
        scores={column.name: _change(fronts, number, column.name) for column in fronts[0].columns},
        scaled=(_scaled(same, 0), _scaled(same, 1)) if taxed else None,
        best=False,
        distance=_pooled([point.distance for point in same]),
        scaled_distance=_pooled([point.scaled_distance for point in same]),
        failed={
            measure: f"{why} ({front.folders[0]})"
            for front, point in zip(fronts, same, strict=True)
            for measure, why in point.failed.items()
        },
    )


def _curve(fronts: Sequence[Front], place: int, points: Sequence[FrontPoint]) -> FrontCurve:
    """Pool one curve of each seed, without the points that are missing in one of them."""
    same = [front.curves[place] for front in fronts]
    return FrontCurve(
        same[0].name,
        tuple(number for number in same[0].points if points[number].known),
        over_seeds([curve.hypervolume.value for curve in same]),
        _pooled([curve.plain for curve in same]),
        _pooled([curve.gain for curve in same]),
        _pooled([curve.distance for curve in same]),
        _pooled([curve.scaled_distance for curve in same]),
    )


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def _pooled(estimates: Sequence[Estimate | None]) -> Estimate | None:
    values = [estimate.value for estimate in estimates if estimate is not None]
    return over_seeds(values) if len(values) == len(estimates) else None


def _scaled(same: Sequence[FrontPoint], axis: int) -> Estimate:
    return over_seeds([math.nan if point.scaled is None else point.scaled[axis].value for point in same])


def _change(fronts: Sequence[Front], number: int, column: str, parent: int = BEFORE) -> Estimate:
    """Return by how much a point's score exceeds a parent's."""
    pairs = [(front.points[number].scores[column], front.points[parent].scores[column]) for front in fronts]
    return over_seeds([own.value - parents.value for own, parents in pairs])


def _gap(fronts: Sequence[Front], number: int, parent: int) -> tuple[Estimate, Estimate]:
    return _change(fronts, number, REWARD, parent), _change(fronts, number, SKILL, parent)
