"""PairRM's preference for replies over references: replies of a model, drawn for it, or of a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple, NoReturn

from ama.checkpoint.provenance import provenance
from ama.data.replies import Comparison, check_not_blank, check_references, read_replies
from ama.errors import UserError
from ama.evaluation.loop import measure_models
from ama.evaluation.measure import Measure, Measurement, Number
from ama.evaluation.measures.batch_size import check_batch_size
from ama.evaluation.measures.files import fingerprint_of, keyed_name
from ama.evaluation.measures.pairrm.comparisons import compare_pairs, numbers_of
from ama.evaluation.measures.pairrm.judge import PairRM, Place, find_pairrm, load_pairrm
from ama.evaluation.measures.rollouts import Rollouts, read_rollouts, replies_folder, rollouts_of
from ama.evaluation.recording import ScoreBook
from ama.evaluation.subject import Subject, subjects_of
from ama.processes import is_first
from ama.sampling.prompts import prompts_in
from ama.settings.evaluation import ScoringSettings, SubjectSettings
from ama.settings.measures import PairrmSettings, ReplyFileSettings


class Contest(NamedTuple):
    """Replies beside references.

    Attributes:
        folder: for what is found of them.
        pairs: a reply and a reference for each prompt.
    """

    folder: Path
    pairs: list[Comparison]


@dataclass(frozen=True)
class PairrmMeasure(Measure):
    """How often PairRM prefers replies to references.

    Attributes:
        what: what goes into the rows.
        rollouts: prompts and sampling; None where replies come from files.
        files: how replies are read of files, where they do.
        references: by prompt.
        place: where PairRM lies.
        how: settings.
        out: has a folder for each model or file.
        rerun: draw and compare what is there already.
    """

    what: Measurement
    rollouts: Rollouts | None
    files: ReplyFileSettings
    references: Mapping[str, str]
    place: Place
    how: PairrmSettings
    out: Path
    rerun: bool

    metrics = ("win_rate",)
    has_judge = True

    @property
    def needs_folder(self) -> bool:
        """Whether vLLM samples."""
        return self.rollouts is not None and self.how.engine == "vllm"

    @cached_property
    def _judge(self) -> PairRM:
        return load_pairrm(self.place)

    def open(self, subject: Subject) -> Contest:
        """Draw a model's replies or read those of a file, and put the references beside them."""
        if self.rollouts is None:
            folder = self.out / keyed_name(subject.label, {"replies": subject.fingerprint})
            replies = _first_replies(Path(subject.model), self.files, self.how.limit)
        else:
            folder = self.rollouts.draw(subject)
            replies = {sample.prompt: sample.reply for sample in read_rollouts(folder)}
        check_references(list(replies), self.references, str(self.how.references))
        pairs = [Comparison(prompt, reply, self.references[prompt]) for prompt, reply in replies.items()]
        return Contest(folder, pairs)

    def run(self, subject: Subject, opened: Contest) -> list[Number]:
        """Compare."""
        folder, pairs = opened
        decides = {name: self.what.settings[name] for name in ("pairrm_weights", "batch_size")}
        decides["pairs"] = fingerprint_of([text for pair in pairs for text in pair])
        path = folder / f"{keyed_name(f'pairrm_{self.place.folder.name}', decides)}.json"
        logits = compare_pairs(self._judge, pairs, self.how.batch_size, path, rerun=self.rerun)
        if is_first():
            ties = sum(logit == 0 for logit in logits)
            sys.stderr.write(f"{subject.label}: {ties} ties; pairs with logits in {path}\n")
        return numbers_of(pairs, logits)


def evaluate_pairrm(
    which: SubjectSettings, files: ReplyFileSettings, settings: PairrmSettings, scoring: ScoringSettings
) -> None:
    """Compare replies of models, or of files, with references, and append the rows that are not there yet.

    Raises:
        UserError: both models and files are named, or neither, or data or settings that are wrong.
    """
    if not files.replies:
        subjects = subjects_of(which)
    elif which.models or which.before or which.after or settings.prompts:
        raise UserError("--replies takes the place of --models, --before, --after and --prompts: drop these")
    else:
        subjects = [_of_file(path, files, settings.limit) for path in files.replies]
    measures = pairrm_measures(settings, scoring, files)
    measure_models(subjects, measures, ScoreBook(scoring.scores, rerun=scoring.rerun))


def pairrm_measures(
    settings: PairrmSettings, scoring: ScoringSettings, files: ReplyFileSettings | None = None
) -> list[Measure]:
    """Return the one measure of PairRM and references.

    Args:
        settings: of PairRM and of the sampling.
        scoring: where the rows go, and how the models are loaded.
        files: where replies come from if not from models.

    Raises:
        UserError: PairRM, references or prompts that are not there, or `auto` as batch size of several
            processes.
    """
    files = files or ReplyFileSettings()
    check_batch_size(settings.batch_size)
    place = find_pairrm(settings.pairrm, settings.pairrm_base)
    references = read_replies(settings.references, settings.reference_name)
    rollouts = None
    if not files.replies:
        rollouts = rollouts_of(settings, scoring, _prompts(settings, references))
    of_rows = {
        **(rollouts.settings if rollouts else {}),
        "references": fingerprint_of([*references, *references.values()]),
        "reference_name": settings.reference_name,
        "pairrm": settings.pairrm,
        "pairrm_weights": provenance(place.folder).fingerprint,
        "batch_size": settings.batch_size,
    }
    task = settings.task or settings.references.stem
    what = Measurement("pairrm", task, "llm-blender", of_rows, settings.seed if rollouts else None)
    out = replies_folder(settings, scoring)
    return [PairrmMeasure(what, rollouts, files, references, place, settings, out, scoring.rerun)]


def _prompts(settings: PairrmSettings, references: Mapping[str, str]) -> Sequence[str]:
    """Return what models are to reply to: --prompts, by default the prompts of the references."""
    prompts = list(references) if settings.prompts is None else prompts_in(settings.prompts)
    check_references(prompts[: settings.limit], references, str(settings.references))
    return prompts


def _of_file(path: Path, files: ReplyFileSettings, limit: int | None) -> Subject:
    replies = _first_replies(path, files, limit)
    check_not_blank(list(replies.values()), f"the replies of {path}")
    return Subject(str(path), "", None, fingerprint_of([*replies, *replies.values()]), None, _no_model)


def _no_model(dtype: str) -> NoReturn:
    raise ValueError("a file of replies has no model")


def _first_replies(path: Path, files: ReplyFileSettings, limit: int | None) -> dict[str, str]:
    return dict(islice(read_replies(path, files.replies_name).items(), limit))
