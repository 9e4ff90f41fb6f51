"""Measure the reward of models: replies to held-out prompts, judged by a reward model."""

from __future__ import annotations

from argparse import Namespace

from ama.console import Parser, run

_DESCRIPTION = """\
Samples replies to prompts, cut at the next ###Human, and appends to a file of scores: reward (mean over
prompts, with its standard error), length in tokens, distinct_1, distinct_2 and diversity. Every reply with
its reward stays in --out to read. Run again after a crash, it goes on where it stopped; with another reward
model the replies are not drawn again.

Example: python -m ama.evaluate_reward --models models/sft models/rlhf --reward_model models/reward \\
  --prompts data/hh_rlhf/rlhf/rlhf_eval/first_half.json --scores output/scores.jsonl
The same command under torchrun or accelerate launch shares the work."""


def main() -> None:
    """Draw the replies of every model that has no row yet, then score them."""
    options = _options()
    from ama.evaluation.measures.reward import reward_measure
    from ama.evaluation.measures.rewards import numbers_of
    from ama.evaluation.recording import ScoreBook, say
    from ama.evaluation.subject import subjects_of
    from ama.processes import join

    measure = reward_measure(options)
    book = ScoreBook(options.scores, rerun=options.rerun)
    subjects = subjects_of(options)
    join()
    todo = book.lacking(subjects, measure.what, "reward")
    if not todo:
        return
    measure.prepare()
    for subject, folder in zip(todo, measure.draw(todo), strict=True):
        numbers = numbers_of(measure.score(subject, folder))
        book.add(subject, measure.what, numbers)
        say(subject, measure.what, numbers)


def _options() -> Namespace:
    from ama.evaluation.measures.reward import add_reward
    from ama.evaluation.options import add_scoring, add_subjects

    parser = Parser("evaluate_reward", _DESCRIPTION)
    add_subjects(parser)
    add_reward(parser)
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
