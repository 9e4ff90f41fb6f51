"""Measure models on DROP as OpenCompass's drop_gen does."""

from __future__ import annotations

from ama.console import run
from ama.console.command import Command
from ama.settings.evaluation import ScoringSettings, SubjectSettings
from ama.settings.measures import OpenCompassSettings

_DESCRIPTION = """\
Measure models on DROP with OpenCompass's drop_gen and append a row for each to a file of scores: the share
of questions, in percent, whose reply holds a right answer or is held by one.

--eval_data names the folder that `bash data/download.sh eval` builds. What was measured already is not
measured again, and a run that was cut short goes on with the next questions.
Example: python -m ama.evaluate_opencompass --models models/sft models/rlhf --eval_data data/eval \\
  --scores output/scores.jsonl"""
COMMAND = Command("evaluate_opencompass", _DESCRIPTION, SubjectSettings, OpenCompassSettings, ScoringSettings)


def main() -> None:
    """Measure what the file of scores has no row of yet."""
    chosen = COMMAND.parse()
    from ama.evaluation.loop import evaluate

    evaluate(chosen[SubjectSettings], chosen[OpenCompassSettings], chosen[ScoringSettings])


if __name__ == "__main__":
    run(main)
