"""Measure models on DROP as OpenCompass's drop_gen does."""

from __future__ import annotations

from argparse import Namespace

from ama.console import Parser, run

_DESCRIPTION = """\
Measure models on DROP with OpenCompass's drop_gen and append a row for each to a file of scores: the share
of questions, in percent, whose reply holds a right answer or is held by one.

--eval_data names the folder that `bash data/download.sh eval` builds. What was measured already is not
measured again, and a run that was cut short goes on with the next questions.
Example: python -m ama.evaluate_opencompass --models models/sft models/rlhf --eval_data data/eval \\
  --scores output/scores.jsonl"""


def main() -> None:
    """Measure each model where the file of scores has no row yet."""
    options = _options()
    from ama.evaluation.measures.opencompass import drop_measure
    from ama.evaluation.recording import ScoreBook, say
    from ama.evaluation.subject import subjects_of
    from ama.processes import broadcast, is_first, join

    measure = drop_measure(options)
    subjects = subjects_of(options)
    book = ScoreBook(options.scores, rerun=options.rerun)
    join()
    lacking = broadcast([book.lacks(subject, measure.what, measure.metrics) for subject in subjects])
    for subject, missing in zip(subjects, lacking, strict=True):
        if missing:
            numbers = measure.run(subject)
            book.add(subject, measure.what, numbers)
            say(subject, measure.what, numbers)
            if is_first():
                measure.forget(subject)


def _options() -> Namespace:
    from ama.evaluation.measures.opencompass import add_drop
    from ama.evaluation.options import add_scoring, add_subjects

    parser = Parser("evaluate_opencompass", _DESCRIPTION)
    add_subjects(parser)
    add_drop(parser)
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
