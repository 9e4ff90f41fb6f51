"""Measure the loss of models on texts and append it, with its standard error, to a file of scores."""

from __future__ import annotations

from ama.console import run
from ama.console.command import Command
from ama.settings.evaluation import ScoringSettings, SubjectSettings
from ama.settings.measures import LossSettings

_DESCRIPTION = """\
Measure models on texts and append the results to a file of scores.

Each text is cut into blocks of --block_size tokens. Metrics: loss, the mean cross-entropy per token in nats,
and perplexity = exp(loss). Standard errors are over blocks. What was measured already is not measured again.
Example:
  python -m ama.evaluate_loss --models output/m0 output/m1 --data wiki=wiki.txt \\
    --scores output/scores.jsonl"""
COMMAND = Command("evaluate_loss", _DESCRIPTION, SubjectSettings, LossSettings, ScoringSettings)


def main() -> None:
    """Measure what the file of scores has no row of yet."""
    chosen = COMMAND.parse()
    from ama.evaluation.loop import evaluate

    evaluate(chosen[SubjectSettings], chosen[LossSettings], chosen[ScoringSettings])


if __name__ == "__main__":
    run(main)
