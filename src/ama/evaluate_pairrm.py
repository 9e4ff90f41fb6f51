"""Measure how often PairRM prefers a model's replies to reference replies."""

from __future__ import annotations

from ama.console import run
from ama.console.command import Command
from ama.settings.evaluation import ScoringSettings, SubjectSettings
from ama.settings.measures import PairrmSettings, ReplyFileSettings

_DESCRIPTION = """\
Draws a reply of each model to the prompts of --references, or takes --replies from files, and has PairRM, by
llm-blender, compare it with the reference, asked in both orders. Appends to a file of scores: win_rate, a tie
being half a win, and the mean lengths of replies and references in characters. Every pair with its logit
stays in --out to read. Run again after a crash, it goes on where it stopped.

Examples:
  python -m ama.evaluate_pairrm --models models/sft models/rlhf --reference_name gpt4_1106_preview \\
    --references data/alpaca_eval/alpaca_eval.json --pairrm models/PairRM-hf --scores output/scores.jsonl
  python -m ama.evaluate_pairrm --replies mine.json --references theirs.json --scores output/scores.jsonl
The same command under torchrun or accelerate launch shares the work."""
COMMAND = Command(
    "evaluate_pairrm", _DESCRIPTION, SubjectSettings, ReplyFileSettings, PairrmSettings, ScoringSettings
)


def main() -> None:
    """Measure what the file of scores has no row of yet."""
    chosen = COMMAND.parse()
    from ama.evaluation.measures.pairrm.measure import evaluate_pairrm

    evaluate_pairrm(
        chosen[SubjectSettings], chosen[ReplyFileSettings], chosen[PairrmSettings], chosen[ScoringSettings]
    )


if __name__ == "__main__":
    run(main)
