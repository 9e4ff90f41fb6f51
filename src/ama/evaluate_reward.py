"""Measure the reward of models: replies to held-out prompts, judged by a reward model."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ama.evaluation.recording import Measurement, Number
    from ama.evaluation.replies import Asked
    from ama.evaluation.subject import Subject

_DESCRIPTION = """\
Samples replies to prompts, cut at the next ###Human, and appends to a file of scores: reward (mean over
prompts, with its standard error), length in tokens, distinct_1, distinct_2 and diversity. Every reply with
its reward stays in --out to read. Run again after a crash, it goes on where it stopped; with another reward
model the replies are not drawn again.

Example: python -m ama.evaluate_reward --models models/sft models/rlhf --reward_model models/reward \\
  --prompts data/hh_rlhf/rlhf/rlhf_eval/first_half.json --scores output/scores.jsonl
The same command under torchrun or accelerate launch shares the work."""


def main() -> None:
    """Measure the models that have no row yet."""
    options = _options()
    from ama.checkpoint.resolve import locate
    from ama.evaluation.batch_size import check_batch_size
    from ama.evaluation.processes import join_run
    from ama.evaluation.recording import ScoreBook, say
    from ama.evaluation.subject import subjects_of

    check_batch_size(options.batch_size)
    judge = locate(options.reward_model, None)[0]
    asked = _asked(options)
    what = _measurement(options, asked, judge)
    book = ScoreBook(options.scores, rerun=options.rerun)
    subjects = subjects_of(options)
    join_run()
    todo = book.lacking(subjects, what, "reward")
    for subject, numbers in _measured(todo, asked, what, judge, options):
        book.add(subject, what, numbers)
        say(subject, what, numbers)


def _measured(
    subjects: Sequence[Subject], asked: Asked, what: Measurement, judge: Path, options: Namespace
) -> Iterator[tuple[Subject, list[Number]]]:
    """Draw the replies of every model, then score them with one load of the reward model."""
    if not subjects:
        return
    from ama.evaluation.kept import fingerprint_of, keyed_name, out_folder
    from ama.evaluation.processes import is_first
    from ama.evaluation.replies import draw_all, read_drawn
    from ama.evaluation.rewards import numbers_of, score_replies
    from ama.models import load_reward_model, load_tokenizer
    from ama.sampling.rollout import placed

    # Read now, so that a wrong one is not found out after hours of sampling.
    load_reward_model(judge)
    out = out_folder(options)
    folders = draw_all(subjects, asked, out, rerun=options.rerun)
    reader, tokenizer = placed(load_reward_model(judge)), load_tokenizer(judge)
    for subject, folder in zip(subjects, folders, strict=True):
        samples = read_drawn(folder)
        texts = [text for sample in samples for text in (sample.prompt, sample.reply)]
        decides = {"judge": what.settings["reward_model_weights"], "replies": fingerprint_of(texts)}
        path = folder / f"{keyed_name(f'rewards_{judge.name}', decides)}.json"
        scored = score_replies(reader, tokenizer, samples, options.batch_size, path, rerun=options.rerun)
        if is_first():
            sys.stderr.write(f"{subject.label}: replies with rewards in {path}\n")
        yield subject, numbers_of(scored)


def _asked(options: Namespace) -> Asked:
    from ama.evaluation.replies import asked_of
    from ama.sampling.prompts import prompts_in

    return asked_of(options, prompts_in(options.prompts))


def _measurement(options: Namespace, asked: Asked, judge: Path) -> Measurement:
    from ama.evaluation.recording import Measurement
    from ama.models import provenance

    settings = {
        **asked.settings,
        "reward_model": options.reward_model,
        "reward_model_weights": provenance(judge).fingerprint,
    }
    task = options.task or options.prompts.stem
    return Measurement("reward", task, "transformers", settings, asked.sampling.seed)


def _options() -> Namespace:
    from ama.evaluation.options import add_measuring, add_scoring, add_subjects
    from ama.sampling.options import add_chat, add_prompt_limit, add_sampling

    parser = Parser("evaluate_reward", _DESCRIPTION)
    add_subjects(parser)
    add = parser.add_argument
    add("--reward_model", required=True, metavar="MODEL", help="folder or hub id of the judge")
    add("--prompts", type=Path, required=True, metavar="PATH", help="LMFlow JSON: file or folder")
    add("--task", metavar="NAME", help="in the file of scores; by default the name of --prompts")
    add("--out", type=Path, metavar="DIR", help="for the replies; by default `replies` beside --scores")
    add_prompt_limit(parser, 256)
    add_sampling(parser, max_new_tokens=196)
    add_chat(parser, template="never", system="")
    add_measuring(parser, 64, seed=0)
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
