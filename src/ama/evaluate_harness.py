"""Measure models on lm-eval's stock tasks: common sense, reading, translation."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from ama.console import Parser, run
from ama.errors import UserError

if TYPE_CHECKING:
    from ama.evaluation.measures.harness import HarnessMeasure
    from ama.evaluation.recording import ScoreBook
    from ama.evaluation.subject import Subject

_DESCRIPTION = """\
Measure models on tasks of lm-eval and append a row for each metric to a file of scores.

Without internet --eval_data names the folder that `bash data/download.sh eval` builds. What was measured
already is not measured again: a run that was cut short goes on with the next task. Several processes
(torchrun --nproc_per_node 4 -m ama.evaluate_harness ...) share the items.
Examples:
  python -m ama.evaluate_harness --models models/sft models/rlhf --scores output/scores.jsonl
  python -m ama.evaluate_harness --before models/sft --after models/rlhf --schedule 0.2 0.4 \\
    --tasks squadv2 wmt14-fr-en --eval_data data/eval --limit 200 --scores output/scores.jsonl"""


def main() -> None:
    """Run each task on each model where the file of scores has no row yet."""
    options = _options()
    from ama.evaluation.measures.harness import harness_measures
    from ama.evaluation.recording import ScoreBook
    from ama.evaluation.subject import subjects_of
    from ama.processes import broadcast, join

    subjects = subjects_of(options)
    if options.engine == "vllm" and any(subject.folder is None for subject in subjects):
        raise UserError("--engine vllm measures checkpoint folders only: write averages and adapters first")
    book = ScoreBook(options.scores, rerun=options.rerun)
    measures = harness_measures(options)
    join()
    lacking = [[book.lacks(subject, one.what, one.metrics) for one in measures] for subject in subjects]
    for subject, lacks in zip(subjects, broadcast(lacking), strict=True):
        todo = [one for one, missing in zip(measures, lacks, strict=True) if missing]
        if todo:
            _measure(subject, todo, book)


def _measure(subject: Subject, todo: list[HarnessMeasure], book: ScoreBook) -> None:
    """Load a model, after the data of all tasks, and append the rows of each task as soon as it is done."""
    from ama.evaluation.recording import say

    for measure in todo:
        measure.prepare()
    language_model = todo[0].open(subject)
    for measure in todo:
        numbers = measure.run_on(language_model)
        if numbers is None:
            continue
        book.add(subject, measure.what, numbers)
        say(subject, measure.what, numbers)


def _options() -> Namespace:
    from ama.evaluation.measures.harness import add_harness
    from ama.evaluation.options import add_scoring, add_subjects

    parser = Parser("evaluate_harness", _DESCRIPTION)
    add_subjects(parser)
    add_harness(parser)
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
