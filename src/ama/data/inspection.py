"""Check a data file of the project and tell what it holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from ama.data.dialogue import ASSISTANT, HUMAN, has_mark, split_turns
from ama.data.lmflow import KINDS, MANIFEST, Instance, read_lmflow
from ama.data.pairs import KIND as PAIRS
from ama.data.pairs import check_pair
from ama.data.reading import SUFFIXES, read_documents
from ama.errors import UserError


class Form(StrEnum):
    """What the texts of a data set are."""

    PLAIN = "plain text"
    PROMPT = "prompts"
    DIALOGUE = "dialogues"


@dataclass
class Inspection:
    """What a data set holds.

    Attributes:
        path: file or folder.
        kind: type of its LMFlow JSON, or the suffix of another file.
        form: what its texts are.
        texts: by field, in order; named texts by field and name, `outputs.model`.
        numbers: by field, those that are given.
        remarks: what is no error and yet worth knowing, with the number of instances.
    """

    path: Path
    kind: str
    form: Form
    texts: dict[str, list[str]] = field(default_factory=dict)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    remarks: dict[str, int] = field(default_factory=dict)


def data_sets(path: Path) -> list[Path]:
    """Return what is to be read as one data set each: the file, or each folder with data files, in order.

    Raises:
        UserError: nothing there.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"data set {path} is missing: check the path")
    found: list[Path] = []
    for folder in sorted({file.parent for file in path.rglob("*") if file.suffix in SUFFIXES}):
        files = [
            file for file in sorted(folder.iterdir()) if file.suffix in SUFFIXES and file.name != MANIFEST
        ]
        # LMFlow reads a folder as one data set; other formats have no such rule.
        found += [folder] if any(file.suffix == ".json" for file in files) else []
        found += [file for file in files if file.suffix != ".json"]
    if not found:
        raise UserError(f"{path} holds no data file: give {', '.join(SUFFIXES)}")
    return found


def inspect(path: Path) -> Inspection:
    """Check a data set: one file, or the LMFlow JSON files of a folder.

    Instances of a data set are alike: all of one type, all prompts, all whole dialogues or all plain text,
    all scored or none. The first one decides.

    Raises:
        UserError: see `ama.data.lmflow.read_lmflow`; a blank text, a dialogue that does not begin with the
            human or does not end with a reply, a text without a role mark among dialogues, or no reward
            or margin where the first instance has one. Names file, instance and field.
    """
    if path.is_dir() or path.suffix == ".json":
        return _inspect_instances(path, read_lmflow(path))
    documents = [Instance("text_only", place, {"text": text}) for place, text in read_documents(path)]
    if not documents:
        raise UserError(f"{path}: holds no text")
    inspection = _inspect_instances(path, documents)
    inspection.kind = path.suffix
    return inspection


def _inspect_instances(path: Path, instances: Sequence[Instance]) -> Inspection:
    first = instances[0]
    kind = KINDS[first.kind]
    form = _form(_whole(first))
    inspection = Inspection(path, first.kind, form)
    inspection.texts |= {name: [] for name in kind.texts}
    scored = [name for name in kind.numbers if first.fields.get(name) is not None]
    for name in scored:
        inspection.numbers[name] = []
    for instance in instances:
        _check(instance, form, first)
        for name in kind.texts:
            inspection.texts[name].append(instance.fields[name])
        for name in kind.named_texts:
            for key, text in instance.fields[name].items():
                inspection.texts.setdefault(f"{name}.{key}", []).append(text)
        for name in kind.numbers:
            if (instance.fields.get(name) is None) == (name in scored):
                has = "has none" if name in scored else "has one"
                raise UserError(f"{instance.place}: {name!r}: {has}, unlike {first.place}: give all or none")
        for name in scored:
            inspection.numbers[name].append(instance.fields[name])
        for remark in _remarks(instance, form):
            inspection.remarks[remark] = inspection.remarks.get(remark, 0) + 1
    return inspection


def _check(instance: Instance, form: Form, first: Instance) -> None:
    for name in KINDS[instance.kind].texts:
        if not instance.fields[name].strip():
            raise UserError(f"{instance.place}: {name!r} is blank: drop the instance")
    if instance.kind == PAIRS:
        check_pair(instance)
    name = KINDS[instance.kind].texts[0]
    text = _whole(instance)
    own = _form(text)
    if own is not form:
        what = f"is one of {own}, and not of {form}"
        if Form.PLAIN in (own, form):
            what = f"has {'no' if own is Form.PLAIN else 'a'} role mark ({HUMAN}, {ASSISTANT})"
        raise UserError(f"{instance.place}: {name!r} {what}, unlike {first.place}: keep them in two files")
    if form is Form.PLAIN:
        return
    try:
        turns = split_turns(text)
    except ValueError as error:
        raise UserError(f"{instance.place}: {name!r}: {error}") from None
    if not any(turn.text.strip() for turn in turns):
        raise UserError(f"{instance.place}: {name!r} is an empty dialogue: drop the instance")
    if turns[-1].mark == HUMAN:
        raise UserError(f"{instance.place}: {name!r} ends with the human: end with {ASSISTANT} and a reply")
    if instance.kind == PAIRS and not instance.fields["prompt"].rstrip().endswith(ASSISTANT):
        raise UserError(f"{instance.place}: 'prompt' does not end with '{ASSISTANT}', where a reply begins")


def _form(text: str) -> Form:
    if not has_mark(text):
        return Form.PLAIN
    return Form.PROMPT if text.rstrip().endswith(ASSISTANT) else Form.DIALOGUE


def _whole(instance: Instance) -> str:
    """Return the text that an instance stands for: of a pair, the one with the chosen reply."""
    return "".join(instance.texts[:2])


def _remarks(instance: Instance, form: Form) -> Iterator[str]:
    for name in KINDS[instance.kind].named_texts:
        if not all(text.strip() for text in instance.fields[name].values()):
            yield f"a text under {name!r} is blank"
    if form is not Form.PLAIN:
        turns = split_turns(_whole(instance))
        if any(turn.mark == other.mark for turn, other in pairwise(turns)):
            yield "one side has two turns in a row"
        if not all(turn.text.strip() for turn in turns[:-1]):
            yield "a turn is blank"
