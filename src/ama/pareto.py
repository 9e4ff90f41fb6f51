"""Sweep over averages of two models: measure reward and skills of each in memory, and draw the front."""

from __future__ import annotations

import sys

from ama.console import run
from ama.console.command import Command
from ama.settings.evaluation import SweepSettings
from ama.settings.measures import MEASURES
from ama.settings.report import ChoiceSettings

_KINDS = "\n".join(f"  {name:<12} {kind.help}" for name, kind in MEASURES.items())
_DESCRIPTION = f"""\
Measures two models and averages of them, and shows which average keeps the reward and gives the skills back.

A curve is a name and its schedules: ratios, split tags, YAML files or learned ratios (mask_alphas.bin or its
folder); SCHEDULE@RATIO gives a split tag its ratio of norm and head, or learned ratios another mean. Averages
are made in memory, in place: no checkpoint is written. A measure is a kind of evaluation with its options,
which --measure 'KIND --help' lists:

{_KINDS}

--out gets scores.jsonl, sweep.json, and the report of python -m ama.show_front: pictures, report.html,
front.md and gains.json. Run again after a crash, it goes on where it stopped. Under torchrun the
processes share the points.
Example: python -m ama.pareto --before models/sft --after models/rlhf --out output/front \\
  --curve 'plain averaging' 0.2 0.4 0.6 0.8 --curve part-wise 'split|10#20|0.6|0.1|0.1@0.3' \\
  --measure 'harness --tasks arc_easy squadv2 --eval_data data/eval' \\
  --measure 'reward --reward_model models/reward --prompts data/hh_rlhf/rlhf/rlhf_eval/first_half.json'"""
COMMAND = Command("pareto", _DESCRIPTION, SweepSettings, ChoiceSettings)


def main() -> int:
    """Measure the points that have no row yet, then write the report; 1 if numbers are missing."""
    chosen = COMMAND.parse()
    what = chosen[SweepSettings]
    from ama.report.front.tables import front_markdown
    from ama.report.markdown import print_markdown_text
    from ama.report.sweep import sweep

    found = sweep(
        what.before,
        what.after,
        what.out,
        curves=what.curves,
        measures=what.measure,
        scope=what.scope,
        dtype=what.dtype,
        most_loss=chosen[ChoiceSettings].most_loss,
        rerun=what.rerun,
    )
    if found is None:
        return 0
    print_markdown_text(front_markdown(found.front))
    missing = sum(map(len, found.failures.values()))
    if missing:
        sys.stderr.write(f"{missing} numbers are missing, see above: run it again to try once more\n")
    return int(missing > 0)


if __name__ == "__main__":
    run(main)
