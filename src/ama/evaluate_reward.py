"""Measure the reward of models: replies to held-out prompts, judged by a reward model."""

from __future__ import annotations

from ama.console import run
from ama.console.command import Command
from ama.settings.evaluation import ScoringSettings, SubjectSettings
from ama.settings.measures import RewardSettings

_DESCRIPTION = """\
Samples replies to prompts, cut at the next ###Human, and appends to a file of scores: reward (mean over
prompts, with its standard error), length in tokens, distinct_1, distinct_2 and diversity. Every reply with
its reward stays in --out to read. Run again after a crash, it goes on where it stopped; with another reward
model the replies are not drawn again.

Example: python -m ama.evaluate_reward --models models/sft models/rlhf --reward_model models/reward \\
  --prompts data/hh_rlhf/rlhf/rlhf_eval/first_half.json --scores output/scores.jsonl
The same command under torchrun or accelerate launch shares the work."""
COMMAND = Command("evaluate_reward", _DESCRIPTION, SubjectSettings, RewardSettings, ScoringSettings)


def main() -> None:
    """Measure what the file of scores has no row of yet."""
    chosen = COMMAND.parse()
    from ama.evaluation.loop import evaluate

    evaluate(chosen[SubjectSettings], chosen[RewardSettings], chosen[ScoringSettings])


if __name__ == "__main__":
    run(main)
