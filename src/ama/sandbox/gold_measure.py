"""The sandbox's gold score as a measure of a sweep."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser
from ama.evaluation.measure import Measure
from ama.evaluation.measures.reward import add_replies

if TYPE_CHECKING:
    from ama.evaluation.measures.replies import Asked
    from ama.evaluation.recording import Measurement, Number
    from ama.evaluation.subject import Subject


def add_gold(parser: Parser) -> None:
    """Add the options that `gold_measure` reads; those of sampling are those of the reward."""
    add = parser.add_argument
    add("--world", type=Path, required=True, metavar="DIR", help="--out of ama.build_sandbox")
    add("--prompts", type=Path, metavar="PATH", help="by default the world's held-out prompts")
    add_replies(parser)


@dataclass(frozen=True)
class GoldMeasure(Measure):
    """The hidden score of replies to a sandbox's prompts; what the reward has drawn is not drawn again.

    Attributes:
        what: what goes into the rows.
        asked: prompts and sampling.
        world: folder of the sandbox.
        out: has a folder for the replies of each model.
        rerun: draw what is there already.
    """

    what: Measurement
    asked: Asked
    world: Path
    out: Path
    rerun: bool

    metrics = ("gold",)

    def run(self, subject: Subject) -> list[Number]:
        """Draw a model's replies and score them by the world's rules."""
        from ama.evaluation.measures.replies import draw_replies, read_drawn
        from ama.sandbox.gold import gold_numbers

        folder = draw_replies(subject, self.asked, self.out, rerun=self.rerun)
        return gold_numbers(self.world, read_drawn(folder))


def gold_measure(options: Namespace) -> GoldMeasure:
    """Return what the options of `add_gold` ask for, and --dtype, --scores and --rerun.

    Raises:
        UserError: there is no sandbox, or a number lies outside its range.
    """
    from ama.evaluation.kept import fingerprint_of, out_folder
    from ama.evaluation.measures.replies import asked_of
    from ama.evaluation.recording import Measurement
    from ama.evaluation.sweep_record import HIDDEN_GROUP
    from ama.sampling.prompts import prompts_in
    from ama.sandbox.gold import NOTE_NAME, world_of

    # Now, and not after hours of sampling.
    world_of(options.world)
    asked = asked_of(options, prompts_in(options.prompts or options.world / "data" / "held_out_prompts.json"))
    note = (options.world / NOTE_NAME).read_text(encoding="utf-8")
    settings = {**asked.settings, "world": fingerprint_of([note])}
    what = Measurement(HIDDEN_GROUP, "sandbox", "ama", settings, asked.sampling.seed)
    return GoldMeasure(what, asked, options.world, out_folder(options), options.rerun)
