"""Measure every point of a sweep, shared by the processes of a launcher, and write the sweep's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ama.errors import UserError
from ama.evaluation.loop import measure_points
from ama.evaluation.measure import Measure, measures_of
from ama.evaluation.recording import ScoreBook
from ama.evaluation.sweep.points import Point, points_of
from ama.evaluation.sweep.record import (
    REWARD_GROUPS,
    SCORES_NAME,
    SHOWN_GROUPS,
    Sweep,
    SweepMeasure,
    write_sweep,
)
from ama.processes import as_if_alone, gather_once, launched
from ama.settings.base import Settings
from ama.settings.evaluation import Dtype, ScoringSettings
from ama.settings.merging import Scope

_Failures = dict[str, dict[str, str]]


def run_sweep(
    before: str,
    after: str,
    out: Path,
    curves: Mapping[str, Sequence[str | float]],
    measures: Sequence[Settings],
    *,
    scope: Scope = Scope.ALL,
    dtype: Dtype = "auto",
    rerun: bool = False,
) -> Sweep | None:
    """Measure two models and averages of them in memory, where `out` has no rows yet, and write sweep.json.

    The processes of a launcher share the points.

    Args:
        before: the model before RLHF: folder or hub id.
        after: the model after RLHF, which may be a LoRA adapter on before.
        out: gets scores.jsonl with the items beside it, and sweep.json.
        curves: the name of each method, and its schedules in the order of the curve.
        measures: settings of what is measured of each; a reward and a skill or more.
        scope: which parameters are averaged; learned ratios have their own.
        dtype: of the weights that are measured.
        rerun: measure again what was measured before.

    Returns:
        The sweep with what has failed; None on all processes but the first.

    Raises:
        UserError: models, schedules, data or settings that are wrong.
    """
    rank, size = launched()
    scoring = ScoringSettings(scores=out / SCORES_NAME, rerun=rerun, dtype=dtype)
    with as_if_alone():
        points = points_of(before, after, curves, scope)
        made = _measures(measures, scoring)
        book = ScoreBook(scoring.scores, rerun=rerun, with_items=True)
        own = _measure(points[rank::size], made, book)
    failures = {weights: why for part in gather_once(own) for weights, why in part.items()}
    if rank:
        return None
    records = tuple(point.record for point in points)
    counted = tuple(one for measure in made for one in sweep_measures(measure))
    sweep = Sweep(before, after, records, counted, failures, str(scope))
    write_sweep(out, sweep)
    return sweep


def sweep_measures(measure: Measure) -> list[SweepMeasure]:
    """Return what the sweep's file says of a measure: the metric that counts, and those of other groups."""
    what = measure.what
    metrics = dict.fromkeys([measure.metrics[0], *what.groups])
    return [SweepMeasure(what.group_of(name), what.task, name, what.settings, what.seed) for name in metrics]


def _measures(settings: Sequence[Settings], scoring: ScoringSettings) -> list[Measure]:
    """Return the measures, at least one reward and one skill."""
    for group in settings:
        if getattr(group, "engine", "") == "vllm":
            raise UserError("vLLM reads whole checkpoints, not averages in memory: leave --engine vllm out")
    found = [measure for group in settings for measure in measures_of(group, scoring)]
    groups = {measure.what.group for measure in found}
    if not groups.intersection(REWARD_GROUPS) or groups.issubset({*REWARD_GROUPS, *SHOWN_GROUPS}):
        raise UserError(
            f"a front needs a reward and a skill, --measure names {' and '.join(sorted(groups)) or 'none'}: "
            "give 'reward ...' or 'pairrm ...', and 'harness ...' or 'opencompass ...'"
        )
    return found


def _measure(points: Sequence[Point], measures: Sequence[Measure], book: ScoreBook) -> _Failures:
    """Measure this process's points; return why a number is missing, by weights and the measure's name."""
    # Two curves may have a point in common.
    distinct = {point.record.weights: point for point in points}
    names = {weights: point.name for weights, point in distinct.items()}
    failures: _Failures = {}
    for failure in measure_points([point.subject for point in distinct.values()], measures, book, names):
        reasons = failures.setdefault(failure.subject.fingerprint, {})
        reasons.update({one.name: failure.reason for one in sweep_measures(failure.measure)})
    return failures
