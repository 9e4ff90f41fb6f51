"""Measure models on lm-eval's stock tasks: common sense, reading, translation."""

from __future__ import annotations

from ama.console import run
from ama.console.command import Command
from ama.settings.evaluation import ScoringSettings, SubjectSettings
from ama.settings.measures import HarnessSettings

_DESCRIPTION = """\
Measure models on tasks of lm-eval and append a row for each metric to a file of scores.

Without internet --eval_data names the folder that `bash data/download.sh eval` builds. What was measured
already is not measured again: a run that was cut short goes on with the next task. Several processes
(torchrun --nproc_per_node 4 -m ama.evaluate_harness ...) share the items.
Examples:
  python -m ama.evaluate_harness --models models/sft models/rlhf --scores output/scores.jsonl
  python -m ama.evaluate_harness --before models/sft --after models/rlhf --schedule 0.2 0.4 \\
    --tasks squadv2 wmt14-fr-en --eval_data data/eval --limit 200 --scores output/scores.jsonl"""
COMMAND = Command("evaluate_harness", _DESCRIPTION, SubjectSettings, HarnessSettings, ScoringSettings)


def main() -> None:
    """Measure what the file of scores has no row of yet."""
    chosen = COMMAND.parse()
    from ama.evaluation.loop import evaluate

    evaluate(chosen[SubjectSettings], chosen[HarnessSettings], chosen[ScoringSettings])


if __name__ == "__main__":
    run(main)
