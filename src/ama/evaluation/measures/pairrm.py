"""PairRM's preference for replies over references as a measure, and the options that say how."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser
from ama.evaluation.measure import Measure
from ama.evaluation.options import BatchSize, add_measuring
from ama.sampling.options import add_chat, add_prompt_limit, add_sampling

if TYPE_CHECKING:
    from ama.evaluation.measures.contests import Contest
    from ama.evaluation.measures.pairrm_judge import PairRM, Place
    from ama.evaluation.measures.replies import Asked
    from ama.evaluation.recording import Measurement, Number
    from ama.evaluation.subject import Subject

_SYSTEM = "You are a helpful, honest and respectful chatbot."


def add_pairrm(parser: Parser) -> None:
    """Add the options that `pairrm_measure` reads."""
    add = parser.add_argument
    add("--references", type=Path, required=True, metavar="PATH", help="what to compare with; as --replies")
    add("--reference_name", metavar="NAME", help="whose outputs to take where --references has several")
    add("--prompts", type=Path, metavar="PATH", help="prompts, by default those of --references")
    add("--task", metavar="NAME", help="in the file of scores; by default the name of --references")
    add(
        "--pairrm",
        default="llm-blender/PairRM",
        metavar="MODEL",
        help="folder or hub id of PairRM or PairRM-hf",
    )
    add(
        "--pairrm_base",
        metavar="MODEL",
        help="folder or hub id of the model that PairRM was trained from, if its config names none at hand",
    )
    add("--out", type=Path, metavar="DIR", help="for the replies; by default `replies` beside --scores")
    add_prompt_limit(parser, None)
    add_sampling(parser, samples=None, temperature=0.7, max_new_tokens=300)
    add_chat(parser, template="auto", system=_SYSTEM)
    add_measuring(parser, 4, seed=0)


@dataclass(frozen=True)
class PairrmMeasure(Measure):
    """How often PairRM prefers a model's replies to references.

    Attributes:
        what: what goes into the rows.
        asked: prompts and sampling; None where replies come from files.
        references: by prompt.
        place: where PairRM lies.
        options: of the command.
    """

    what: Measurement
    asked: Asked | None
    references: Mapping[str, str]
    place: Place
    options: Namespace

    metrics = ("win_rate",)

    @property
    def _batch_size(self) -> BatchSize:
        size: BatchSize = self.options.batch_size
        return size

    @cached_property
    def _judge(self) -> PairRM:
        from ama.evaluation.measures.pairrm_judge import load_pairrm

        return load_pairrm(self.place)

    def compare(self, subject: Subject, contest: Contest) -> list[Number]:
        """Compare replies that have been drawn or read."""
        from ama.evaluation.kept import fingerprint_of, keyed_name
        from ama.evaluation.measures.comparisons import compare_pairs, numbers_of
        from ama.processes import is_first

        folder, pairs = contest
        decides = {name: self.what.settings[name] for name in ("pairrm_weights", "batch_size")}
        decides["pairs"] = fingerprint_of([text for pair in pairs for text in pair])
        path = folder / f"{keyed_name(f'pairrm_{self.place.folder.name}', decides)}.json"
        logits = compare_pairs(self._judge, pairs, self._batch_size, path, rerun=self.options.rerun)
        if is_first():
            ties = sum(logit == 0 for logit in logits)
            sys.stderr.write(f"{subject.label}: {ties} ties; pairs with logits in {path}\n")
        return numbers_of(pairs, logits)

    def run(self, subject: Subject) -> list[Number]:
        """Draw a model's replies and compare them."""
        from ama.evaluation.measures.contests import contests

        (contest,) = contests([subject], self.asked, self.references, self.options)
        return self.compare(subject, contest)


def pairrm_measure(options: Namespace) -> PairrmMeasure:
    """Return what the options of `add_pairrm` ask for, and --dtype, --scores, --rerun and --replies.

    Raises:
        UserError: PairRM, references or prompts that are not there, or a number outside its range.
    """
    from ama.data.replies import read_replies
    from ama.evaluation.batch_size import check_batch_size
    from ama.evaluation.kept import fingerprint_of
    from ama.evaluation.measures.contests import prompts_for
    from ama.evaluation.measures.pairrm_judge import find_pairrm
    from ama.evaluation.measures.replies import asked_of
    from ama.evaluation.recording import Measurement
    from ama.models import provenance

    check_batch_size(options.batch_size)
    place = find_pairrm(options.pairrm, options.pairrm_base)
    references = read_replies(options.references, options.reference_name)
    from_files = getattr(options, "replies", None)
    asked = None if from_files else asked_of(options, prompts_for(options, references))
    settings = {
        **(asked.settings if asked else {}),
        "references": fingerprint_of([*references, *references.values()]),
        "reference_name": options.reference_name,
        "pairrm": options.pairrm,
        "pairrm_weights": provenance(place.folder).fingerprint,
        "batch_size": options.batch_size,
    }
    task = options.task or options.references.stem
    what = Measurement("pairrm", task, "llm-blender", settings, asked.sampling.seed if asked else None)
    return PairrmMeasure(what, asked, references, place, options)
