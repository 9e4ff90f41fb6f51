"""A sweep's folder as arrays: reward, skill, groups and measures of each point, in all items and in draws."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ama
from ama.errors import UserError
from ama.evaluation.scores import LIKELIHOOD, Score, read_scores
from ama.evaluation.sweep.record import (
    REWARD_GROUPS,
    SCORES_NAME,
    SHOWN_GROUPS,
    Sweep,
    SweepMeasure,
    SweepPoint,
    read_sweep,
)
from ama.report.front.curves import Array
from ama.report.front.estimate import MeasureDraws, draw_measure
from ama.report.front.model import AFTER, BEFORE, CONTINUOUS, REWARD, SKILL, Column
from ama.settings.report import FrontSettings

_NO_SKILL = (*REWARD_GROUPS, *SHOWN_GROUPS)


@dataclass(frozen=True)
class SweepData:
    """One sweep.

    Attributes:
        folder: where it is.
        sweep: its record.
        points: the parents, then the averages that are not a parent over again.
        columns: reward, skill, the skill groups, continuous skill and its groups, the measures.
        values: shape (points, columns); NaN where missing.
        draws: shape (draws, points, columns).
        failed: why a number is missing, for each point by measure.
        rows: all rows that are there.
        notes: about errors.
    """

    folder: Path
    sweep: Sweep
    points: tuple[SweepPoint, ...]
    columns: tuple[Column, ...]
    values: Array
    draws: Array
    failed: tuple[Mapping[str, str], ...]
    rows: tuple[Score, ...]
    notes: tuple[str, ...]


def read_data(folder: Path, settings: FrontSettings) -> SweepData:
    """Read a sweep's folder and draw its items.

    Raises:
        UserError: there is no sweep, or it measures no reward or no skill.
    """
    sweep = read_sweep(folder)
    if len(sweep.points) < 2:
        raise UserError(f"{folder}: its sweep has no parents: run `python -m ama.pareto` again")
    reward = _reward_of(sweep, settings.reward, folder)
    groups = _skill_groups(sweep, reward)
    if not groups:
        raise UserError(f"{folder}: no skill was measured: name tasks beside {reward.name} in `ama.pareto`")
    parents = {sweep.points[place].weights for place in (BEFORE, AFTER)}
    points = (*sweep.points[:2], *(point for point in sweep.points[2:] if point.weights not in parents))
    path = folder / SCORES_NAME
    found = sweep.rows(read_scores(path))
    rows = {
        measure.name: [found.get((point.weights, measure.name)) for point in points]
        for measure in sweep.measures
    }
    drawn = {
        measure.name: draw_measure(path, measure, rows[measure.name], settings.draws, settings.seed)
        for measure in sweep.measures
    }
    columns, values, draws = _columns(sweep, reward, groups, drawn)
    failed = tuple(_failed(sweep, point, found) for point in points)
    return SweepData(
        folder,
        sweep,
        points,
        columns,
        values,
        draws,
        failed,
        tuple(row for named in rows.values() for row in named if row is not None),
        (*(note for measure in drawn.values() for note in measure.notes), *_missing(points, failed)),
    )


def _reward_of(sweep: Sweep, name: str | None, folder: Path) -> SweepMeasure:
    if name is not None:
        for measure in sweep.measures:
            if name == measure.name:
                return measure
        known = ", ".join(measure.name for measure in sweep.measures)
        raise UserError(f"--reward {name}: not among the measures of {folder}: {known or 'none'}")
    for group in REWARD_GROUPS:
        for measure in sweep.measures:
            if measure.group == group:
                return measure
    raise UserError(
        f"{folder}: no reward was measured: sweep with one, or name a measure in its place by --reward"
    )


def _skill_groups(sweep: Sweep, reward: SweepMeasure) -> dict[str, list[SweepMeasure]]:
    groups: dict[str, list[SweepMeasure]] = {}
    for measure in sweep.measures:
        if measure.group not in _NO_SKILL and measure != reward:
            groups.setdefault(measure.group, []).append(measure)
    return groups


def _columns(
    sweep: Sweep,
    reward: SweepMeasure,
    groups: Mapping[str, Sequence[SweepMeasure]],
    drawn: Mapping[str, MeasureDraws],
) -> tuple[tuple[Column, ...], Array, Array]:
    """Return the columns, their values (points, columns) and draws (draws, points, columns)."""
    columns = [Column(REWARD, f"reward ({reward.name})"), Column(SKILL, "mean skill")]
    groupings = [_mean([drawn[measure.name] for measure in measures]) for measures in groups.values()]
    numbers = [drawn[reward.name], _mean(groupings), *groupings]
    for group, measures in groups.items():
        only = f" ({measures[0].name})" if len(measures) == 1 else ""
        columns.append(Column(group, f"{group.replace('_', ' ')}{only}", panel=True))
    likelihoods = _likelihoods(sweep, groups)
    if likelihoods:
        means = [_mean([drawn[measure.name] for measure in measures]) for measures in likelihoods.values()]
        columns.append(Column(CONTINUOUS, "continuous skill"))
        numbers += [_mean(means), *means]
    for group, measures in likelihoods.items():
        only = f" ({measures[0].task})" if len(measures) == 1 else ""
        columns.append(
            Column(f"{group} {LIKELIHOOD}", f"{group.replace('_', ' ')} likelihood{only}", panel=True)
        )
    shelves = (*groups.values(), *likelihoods.values())
    alone = {measures[0].name for measures in shelves if len(measures) == 1} | {reward.name}
    for measure in sweep.measures:
        if measure.name not in alone:
            gold = "gold: " if measure.group == "gold" else ""
            columns.append(Column(measure.name, f"{gold}{measure.name}"))
            numbers.append(drawn[measure.name])
    values = np.stack([number.values for number in numbers], axis=-1)
    return tuple(columns), values, np.stack([number.draws for number in numbers], axis=-1)


def _likelihoods(sweep: Sweep, groups: Mapping[str, Sequence[SweepMeasure]]) -> dict[str, list[SweepMeasure]]:
    """Return the likelihoods of right answers by the group of their task's skill."""
    found: dict[str, list[SweepMeasure]] = {}
    for group, measures in groups.items():
        tasks = {measure.task for measure in measures}
        own = [one for one in sweep.measures if one.group == LIKELIHOOD and one.task in tasks]
        if own:
            found[group] = own
    return found


def _mean(parts: Sequence[MeasureDraws]) -> MeasureDraws:
    values, draws = (
        np.mean(held, axis=0) for held in ([part.values for part in parts], [part.draws for part in parts])
    )
    return MeasureDraws(values, draws, ())


def _failed(sweep: Sweep, point: SweepPoint, found: Mapping[tuple[str, str], Score]) -> dict[str, str]:
    reasons = sweep.failures.get(point.weights, {})
    return {
        measure.name: reasons.get(measure.name, "not measured")
        for measure in sweep.measures
        if (point.weights, measure.name) not in found
    }


def _missing(points: Sequence[SweepPoint], failed: Sequence[Mapping[str, str]]) -> list[str]:
    return [
        f"{point.curve} {point.schedule}: {measure} is missing ({reason}).".lstrip()
        for point, reasons in zip(points, failed, strict=True)
        for measure, reason in reasons.items()
    ]


def provenance(sweeps: Sequence[SweepData], settings: FrontSettings) -> list[tuple[str, str]]:
    """Return labels and values: models, what was measured and by what, and how the report was made."""
    facts = []
    for data in sweeps:
        place = f" ({data.folder})" if len(sweeps) > 1 else ""
        facts += [(f"before{place}", data.sweep.before), (f"after{place}", data.sweep.after)]
    rows = [row for data in sweeps for row in data.rows]
    for measure in sweeps[0].sweep.measures:
        of_measure = [row for row in rows if (row.task, row.metric) == (measure.task, measure.metric)]
        counts = {row.n for row in of_measure}
        count = " to ".join(map(str, sorted({min(counts), max(counts)}))) if counts else "none"
        backends = sorted({f"{row.backend} {row.backend_version}" for row in of_measure})
        seeds = sorted({str(row.seed) for row in of_measure if row.seed is not None})
        seed = f", seed {', '.join(seeds)}" if seeds else ""
        how = "".join(f", {name} {value}" for name, value in measure.settings.items())
        text = f"n = {count}, by {', '.join(backends) or '-'}{seed}{how}"
        facts.append((f"{measure.group} {measure.name}", text))
    dates = sorted(row.date for row in rows)
    facts.append(("sweep", ", ".join(str(data.folder) for data in sweeps)))
    facts.append(("measured", f"{dates[0]} to {dates[-1]}" if dates else "nothing"))
    facts.append(("commit of the measurements", ", ".join(sorted({row.commit or "unknown" for row in rows}))))
    facts.append(("bootstrap", f"{settings.draws} draws, seed {settings.seed}"))
    facts.append(("report", f"ama {ama.__version__}, {shlex.join(sys.orig_argv)}"))
    return facts
