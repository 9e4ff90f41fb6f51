"""The figures of a front from the folders of its sweeps: points, curves and choices, with their errors."""

from collections.abc import Sequence
from pathlib import Path

from ama.errors import UserError
from ama.evaluation.sweep.record import read_sweep
from ama.report.front.compare import Comparison, scale_of
from ama.report.front.curves import Array, is_known, non_dominated, singled_out
from ama.report.front.data import SweepData, provenance, read_data
from ama.report.front.estimate import Estimate, from_draws
from ama.report.front.gains import gains_of
from ama.report.front.model import AFTER, BEFORE, Choice, Front, FrontPoint
from ama.report.front.pool import pooled_front
from ama.settings.report import FrontSettings

_NAMES = {BEFORE: "before", AFTER: "after"}


def check_front(folders: Sequence[Path]) -> None:
    """Check what can be checked in a moment.

    Raises:
        UserError: a folder holds no sweep or is given twice.
    """
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{folder} is given twice: pool sweeps of different seeds")
    for folder in folders:
        read_sweep(folder)


def read_front(folders: Sequence[Path], settings: FrontSettings) -> Front:
    """Return the figures of a sweep, or of several that are pooled as seeds.

    Raises:
        UserError: as in `check_front`; a sweep measures no reward or no skill, or sweeps don't fit together.
    """
    check_front(folders)
    sweeps = [read_data(folder, settings) for folder in folders]
    fronts = [_front(data, settings) for data in sweeps]
    if len(fronts) == 1:
        return fronts[0]
    return pooled_front(fronts, settings, provenance(sweeps, settings))


def _front(data: SweepData, settings: FrontSettings) -> Front:
    """Return all figures of a sweep."""
    plane, draws = data.values[:, :2], data.draws[:, :, :2]
    folders, facts = (str(data.folder),), tuple(provenance([data], settings))
    scale = _missing_parent(data) or scale_of(plane, draws)
    if isinstance(scale, str):
        return Front(
            folders, data.columns, _points(data, None), (), (), scale, data.notes, facts, (), gains_of(data)
        )
    comparison = Comparison(data, scale)
    names = dict.fromkeys(point.curve for point in data.points[AFTER + 1 :])
    return Front(
        folders,
        data.columns,
        _points(data, comparison),
        tuple(comparison.curve(name) for name in names),
        tuple(
            Choice(title, number, _gaps(plane, draws, number))
            for title, number in singled_out(scale.points, settings.most_loss)
        ),
        None,
        (*data.notes, *scale.notes),
        facts,
        gains=gains_of(data),
    )


def _points(data: SweepData, comparison: Comparison | None) -> tuple[FrontPoint, ...]:
    """Return the parents and averages; without a comparison, which needs a tax, in their own units only."""
    flags = non_dominated(data.values[:, :2])
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
                scaled=None if comparison is None else comparison.scale.estimates(number),
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
        if not is_known(data.values[number, :2]):
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
