"""A sweep from two models to their front: measure every average, then write the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ama.evaluation.sweep.lock import sole_sweep
from ama.evaluation.sweep.run import run_sweep
from ama.evaluation.sweep.words import read_measure
from ama.report.front.model import Front
from ama.report.front.write import write_front_report
from ama.settings.base import Settings
from ama.settings.evaluation import Dtype
from ama.settings.merging import Scope
from ama.settings.report import FrontSettings


class SweepResult(NamedTuple):
    """What a sweep has found.

    Attributes:
        front: reward and skill of every point, with errors, and the points that are singled out.
        failures: why a number is missing, by the point's weights and the name of the measure; empty if all
            are there.
    """

    front: Front
    failures: Mapping[str, Mapping[str, str]]


def sweep(
    before: str | Path,
    after: str | Path,
    out: str | Path,
    *,
    curves: Mapping[str, Sequence[str | float]],
    measures: Sequence[str | Settings],
    scope: Scope | str = Scope.ALL,
    dtype: Dtype = "auto",
    most_loss: float = FrontSettings().most_loss,
    rerun: bool = False,
) -> SweepResult | None:
    """Measure two models and averages of them in memory, and draw the reward-tax front.

    Rows that `out` has already are not measured again, so that a sweep that was cut short goes on. If one
    measurement fails, the rest still run. The processes of a launcher share the points.

    Args:
        before: the model before RLHF: folder or hub id.
        after: the model after RLHF, which may be a LoRA adapter on before.
        out: folder; gets scores.jsonl, sweep.json, and the report of `python -m ama.show_front`.
        curves: the name of each method, and the schedules of its averages: ratios in [0, 1], split tags,
            YAML files or learned ratios, as `--curve` of `python -m ama.pareto` takes them.
        measures: what is measured of each point, a reward and a skill or more: the settings of a measure, of
            `ama.settings.measures`, or a text as `--measure` takes it, such as "harness --tasks arc_easy".
        scope: which parameters are averaged, `all` or `linear`; learned ratios have their own.
        dtype: of the weights that are measured; auto: what a merge would write.
        most_loss: share of the reward gain that the recommended point may lose, in [0, 1].
        rerun: measure again what was measured before.

    Returns:
        The front and what has failed; None on all processes of a launcher but the first.

    Raises:
        UserError: models, schedules, data or settings that are wrong, or another sweep is at work in `out`.
        OSError: `out` can't be written.
    """
    home = Path(out)
    chosen = [read_measure(one) if isinstance(one, str) else one for one in measures]
    with sole_sweep(home):
        record = run_sweep(
            str(before), str(after), home, curves, chosen, scope=Scope(scope), dtype=dtype, rerun=rerun
        )
        if record is None:
            return None
        front = write_front_report([home], home, FrontSettings(most_loss=most_loss))
    return SweepResult(front, record.failures)
