"""What PairRM compares: replies of a model, drawn for it, or of a file, with references."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, NoReturn

from ama.data.replies import Comparison, check_not_blank, check_references, read_replies
from ama.errors import UserError
from ama.evaluation.kept import fingerprint_of, keyed_name, out_folder
from ama.evaluation.measures.replies import Asked, draw_all, read_drawn
from ama.evaluation.subject import Subject, subjects_of
from ama.sampling.prompts import prompts_in


class Contest(NamedTuple):
    """Replies beside references.

    Attributes:
        folder: for what is found of them.
        pairs: a reply and a reference for each prompt.
    """

    folder: Path
    pairs: list[Comparison]


def entrants(options: Namespace) -> list[Subject]:
    """Return who replies: the models that are named, or the files of --replies.

    Raises:
        UserError: both or neither are named, or as `subjects_of` and `read_replies`.
    """
    if not options.replies:
        return subjects_of(options)
    if options.models or options.before or options.after or options.prompts:
        raise UserError("--replies takes the place of --models, --before, --after and --prompts: drop these")
    return [_of_file(path, options) for path in options.replies]


def prompts_for(options: Namespace, references: Mapping[str, str]) -> list[str]:
    """Return what models are to reply to: --prompts, by default the prompts of the references.

    Raises:
        UserError: a prompt has no reference, or as `prompts_in`.
    """
    found = list(references) if options.prompts is None else prompts_in(options.prompts)
    prompts = found[: options.limit]
    check_references(prompts, references, str(options.references))
    return prompts


def contests(
    subjects: Sequence[Subject], asked: Asked | None, references: Mapping[str, str], options: Namespace
) -> list[Contest]:
    """Draw or read the replies of each, and put the references beside them.

    Args:
        subjects: some of `entrants`.
        asked: what models are asked; None for files.
        references: by prompt.
        options: of the command.

    Raises:
        UserError: as `draw_all`, `read_replies` and `check_references`.
    """
    out = out_folder(options)
    if asked is None:
        folders = [out / keyed_name(one.label, {"replies": one.fingerprint}) for one in subjects]
        replies = [_first(Path(one.model), options) for one in subjects]
    else:
        folders = draw_all(subjects, asked, out, rerun=options.rerun)
        replies = [{sample.prompt: sample.reply for sample in read_drawn(folder)} for folder in folders]
    for said in replies:
        check_references(list(said), references, str(options.references))
    return [
        Contest(folder, [Comparison(prompt, reply, references[prompt]) for prompt, reply in said.items()])
        for folder, said in zip(folders, replies, strict=True)
    ]


def _of_file(path: Path, options: Namespace) -> Subject:
    replies = _first(path, options)
    check_not_blank(list(replies.values()), f"the replies of {path}")
    return Subject(str(path), "", None, fingerprint_of([*replies, *replies.values()]), None, _no_model)


def _no_model(dtype: str) -> NoReturn:
    raise ValueError("a file of replies has no model")


def _first(path: Path, options: Namespace) -> dict[str, str]:
    return dict(islice(read_replies(path, options.replies_name).items(), options.limit))
