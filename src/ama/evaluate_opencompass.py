"""Measure models on DROP as OpenCompass's drop_gen does."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser, positive_int, run
from ama.core.errors import UserError

if TYPE_CHECKING:
    from ama.evaluation.compass import DropSettings
    from ama.evaluation.recording import Measurement, ScoreBook
    from ama.evaluation.subject import Subject

_METRICS = ("accuracy",)

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
    from ama.evaluation.compass import BACKEND, DropSettings
    from ama.evaluation.eval_data import OPENCOMPASS_DROP, check_eval_data, data_mark, stay_offline
    from ama.evaluation.processes import agreed, join_run
    from ama.evaluation.recording import Measurement, ScoreBook
    from ama.evaluation.subject import subjects_of

    if options.batch_size == "auto":
        raise UserError("--batch_size auto: OpenCompass takes a number only")
    if options.eval_data is None:
        raise UserError("--eval_data is missing: OpenCompass reads DROP from the folder of evaluation sets")
    check_eval_data(options.eval_data, OPENCOMPASS_DROP)
    subjects = subjects_of(options)
    stay_offline()
    book = ScoreBook(options.scores, rerun=options.rerun)
    how = DropSettings(options.max_seq_len, options.max_out_len, options.limit, options.apply_chat_template)
    settings = {
        "data": data_mark(options.eval_data, OPENCOMPASS_DROP),
        "max_seq_len": how.max_seq_len,
        "max_out_len": how.max_out_len,
        "limit": how.limit,
        "chat_template": how.chat,
        "dtype": options.dtype,
    }
    what = Measurement("reading", OPENCOMPASS_DROP, BACKEND, settings)
    join_run()
    lacking = agreed([book.lacks(subject, what, _METRICS) for subject in subjects])
    for subject, missing in zip(subjects, lacking, strict=True):
        if missing:
            _measure(subject, what, how, options, book)


def _measure(
    subject: Subject, what: Measurement, how: DropSettings, options: Namespace, book: ScoreBook
) -> None:
    """Load a model, measure it and append its row; the replies are kept until then."""
    from ama.evaluation.compass import measure_drop
    from ama.evaluation.processes import is_first
    from ama.evaluation.recording import say

    key = json.dumps([subject.fingerprint, what.settings, options.batch_size], sort_keys=True)
    work: Path = options.scores.with_name(f".{options.scores.name}.drop")
    work /= sha256(key.encode()).hexdigest()[:16]
    model, tokenizer = subject.load(options.dtype, chat=how.chat)
    numbers = measure_drop(
        model, tokenizer, options.eval_data, how, options.batch_size, work, fresh=options.rerun
    )
    book.add(subject, what, numbers)
    say(subject, what, numbers)
    if is_first():
        shutil.rmtree(work)
        # Other measurements may have been cut short, whose replies are still wanted.
        with suppress(OSError):
            work.parent.rmdir()


def _options() -> Namespace:
    from ama.evaluation.options import add_eval_data, add_measuring, add_scoring, add_subjects

    parser = Parser("evaluate_opencompass", _DESCRIPTION)
    add_subjects(parser)
    add = parser.add_argument
    add(
        "--max_seq_len",
        type=positive_int,
        default=2048,
        metavar="N",
        help="tokens of a prompt",
    )
    add("--max_out_len", type=positive_int, default=100, metavar="N", help="tokens of a reply")
    add("--apply_chat_template", action="store_true", help="put prompts into the tokenizer's chat template")
    add_eval_data(parser)
    add_measuring(parser, batch_size=8, seed=None)
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
