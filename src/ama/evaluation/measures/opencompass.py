"""OpenCompass's DROP as a measure, and the options that say how."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser, positive_int
from ama.errors import UserError
from ama.evaluation.measure import Measure
from ama.evaluation.options import add_eval_data, add_measuring

if TYPE_CHECKING:
    from ama.evaluation.measures.compass import DropSettings
    from ama.evaluation.recording import Measurement, Number
    from ama.evaluation.subject import Subject


def add_drop(parser: Parser) -> None:
    """Add the options that `drop_measure` reads."""
    add = parser.add_argument
    add("--max_seq_len", type=positive_int, default=2048, metavar="N", help="tokens of a prompt")
    add("--max_out_len", type=positive_int, default=100, metavar="N", help="tokens of a reply")
    add("--apply_chat_template", action="store_true", help="put prompts into the tokenizer's chat template")
    add_eval_data(parser)
    add_measuring(parser, batch_size=8, seed=None)


@dataclass(frozen=True)
class DropMeasure(Measure):
    """OpenCompass's drop_gen.

    Attributes:
        what: what goes into the rows.
        how: settings of OpenCompass.
        eval_data: folder of evaluation sets.
        batch_size: questions at a time.
        dtype: of the weights.
        scores: the file of scores; replies are kept beside it until a model is done.
        rerun: ask again what was asked before.
    """

    what: Measurement
    how: DropSettings
    eval_data: Path
    batch_size: int
    dtype: str
    scores: Path
    rerun: bool

    metrics = ("accuracy",)

    def run(self, subject: Subject) -> list[Number]:
        """Load the model and measure it; its replies are kept until `forget`."""
        from ama.evaluation.measures.compass import measure_drop

        model, tokenizer = subject.load(self.dtype, chat=self.how.chat)
        work = self._work(subject)
        return measure_drop(
            model, tokenizer, self.eval_data, self.how, self.batch_size, work, fresh=self.rerun
        )

    def forget(self, subject: Subject) -> None:
        """Remove the replies of a model whose row has been written."""
        work = self._work(subject)
        shutil.rmtree(work)
        # Other measurements may have been cut short, whose replies are still wanted.
        with suppress(OSError):
            work.parent.rmdir()

    def _work(self, subject: Subject) -> Path:
        key = json.dumps([subject.fingerprint, self.what.settings, self.batch_size], sort_keys=True)
        return self.scores.with_name(f".{self.scores.name}.drop") / sha256(key.encode()).hexdigest()[:16]


def drop_measure(options: Namespace) -> DropMeasure:
    """Return what the options of `add_drop` ask for, and --dtype, --scores and --rerun.

    Raises:
        UserError: data that are missing, or an option that OpenCompass has not.
    """
    from ama.evaluation.eval_data import OPENCOMPASS_DROP, check_eval_data, data_mark, stay_offline
    from ama.evaluation.measures.compass import BACKEND, DropSettings
    from ama.evaluation.recording import Measurement

    if options.batch_size == "auto":
        raise UserError("--batch_size auto: OpenCompass takes a number only")
    if options.eval_data is None:
        raise UserError("--eval_data is missing: OpenCompass reads DROP from the folder of evaluation sets")
    check_eval_data(options.eval_data, OPENCOMPASS_DROP)
    stay_offline()
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
    return DropMeasure(
        what, how, options.eval_data, options.batch_size, options.dtype, options.scores, options.rerun
    )
