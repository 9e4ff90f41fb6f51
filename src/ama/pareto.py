"""Sweep over averages of two models: measure reward and skills of each in memory, and draw the front."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser, run
from ama.settings.report import FrontSettings

if TYPE_CHECKING:
    from ama.evaluation.measure import Measure
    from ama.evaluation.points import Point
    from ama.evaluation.sweep import Failures

_DESCRIPTION = """\
Measures two models and averages of them, and shows which average keeps the reward and gives the skills back.

A curve is a name and its schedules: ratios, split tags, YAML files or learned ratios (mask_alphas.bin or its
folder); SCHEDULE@RATIO gives a split tag its alpha, or learned ratios another mean. Averages are made in
memory, in place: no checkpoint is written. A measure is an evaluation with its options:

  harness      tasks of lm-eval      options of ama.evaluate_harness
  opencompass  DROP                  options of ama.evaluate_opencompass
  reward       a reward model        options of ama.evaluate_reward
  pairrm       PairRM's win rate     options of ama.evaluate_pairrm
  gold         the sandbox's score   --world DIR, and sampling as of the reward

--out gets scores.jsonl, sweep.json, front.png, report.html and front.md. Run again after a crash, it goes on
where it stopped. Under torchrun the processes share the points.
Example: python -m ama.pareto --before models/sft --after models/rlhf --out output/front \\
  --curve 'plain averaging' 0.2 0.4 0.6 0.8 --curve part-wise 'split|10#20|0.6|0.1|0.1@0.3' \\
  --measure 'harness --tasks arc_easy squadv2 --eval_data data/eval' \\
  --measure 'reward --reward_model models/reward --prompts data/hh_rlhf/rlhf/rlhf_eval/first_half.json'"""


def main() -> int:
    """Measure the points that have no row yet, then write the report."""
    options = _options()
    FrontSettings(most_loss=options.most_loss)
    from ama.averaging.schedules.schedule import Scope
    from ama.evaluation.points import points_of, read_curves
    from ama.evaluation.recording import ScoreBook
    from ama.evaluation.sweep import lacking, measure_points, sole_sweep
    from ama.evaluation.sweep_measures import KINDS, Kind, measures_of
    from ama.evaluation.sweep_record import SCORES_NAME
    from ama.processes import as_if_alone, gather_once, launched
    from ama.sandbox.gold_measure import add_gold, gold_measure

    curves = read_curves(options.curve or [])
    rank, size = launched()
    with sole_sweep(options.out, (rank, size)):
        with as_if_alone():
            points = points_of(options.before, options.after, curves, Scope(options.scope))
            gold = Kind(add_gold, lambda words: [gold_measure(words)])
            measures = measures_of(options, {**KINDS, "gold": gold})
            book = ScoreBook(options.out / SCORES_NAME, rerun=options.rerun, with_items=True)
            for measure in lacking(points, measures, book):
                measure.prepare()
            failures = measure_points(points[rank::size], measures, book)
        found = gather_once(failures)
        return 0 if rank else _finish(points, measures, found, options)


def _finish(
    points: Sequence[Point], measures: Sequence[Measure], failures: Sequence[Failures], options: Namespace
) -> int:
    """Write sweep.json and the report, print its tables; return the exit status, 1 if numbers are missing."""
    from ama.evaluation.sweep import sweep_measure
    from ama.evaluation.sweep_record import Sweep, write_sweep
    from ama.report.front.write import show_front

    failed = {weights: reasons for part in failures for weights, reasons in part.items()}
    records = tuple(point.record for point in points)
    names = tuple(sweep_measure(measure) for measure in measures)
    write_sweep(options.out, Sweep(options.before, options.after, records, names, failed, options.scope))
    show_front([options.out], options.out, FrontSettings(most_loss=options.most_loss))
    missing = sum(map(len, failed.values()))
    if missing:
        sys.stderr.write(f"{missing} numbers are missing, see above: run it again to try once more\n")
    return int(missing > 0)


def _options() -> Namespace:
    from ama.averaging.schedules.schedule import Scope
    from ama.evaluation.options import DTYPES

    parser = Parser("pareto", _DESCRIPTION)
    add = parser.add_argument
    add("--before", required=True, metavar="MODEL", help="the model before RLHF: folder or hub id")
    add("--after", required=True, metavar="MODEL", help="the model after RLHF, or a LoRA adapter on before")
    add(
        "--curve",
        nargs="+",
        action="append",
        metavar=("NAME", "SCHEDULE"),
        help="a method and its averages; may be given several times",
    )
    add(
        "--measure",
        action="append",
        metavar="'KIND OPTIONS'",
        help="what to measure, in one word; may be given several times; 'KIND --help' lists the options",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="for scores and report")
    scopes = [str(scope) for scope in Scope]
    add("--scope", choices=scopes, default=str(Scope.ALL), help="linear: average linear maps only")
    add("--dtype", choices=DTYPES, default="auto", help="of the weights that are measured")
    help_text = "share of the reward gain that the recommended schedule may lose, in [0, 1]"
    add("--most_loss", type=float, default=FrontSettings().most_loss, metavar="X", help=help_text)
    add("--rerun", action="store_true", help="measure again what was measured before")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
