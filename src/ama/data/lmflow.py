"""LMFlow JSON: a type, and instances whose fields the type decides."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ama.errors import UserError

# Beside the files of a prepared data set, and none of them.
MANIFEST = "manifest.json"


class Kind(NamedTuple):
    """The fields of a type of instances.

    Attributes:
        texts: each instance has them.
        numbers: an instance may have them, finite.
        named_texts: each instance has them, objects of texts by name.
    """

    texts: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    named_texts: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "text_only": Kind(("text",), ("reward", "tokens")),
    "text2text": Kind(("input", "output"), ("reward", "tokens")),
    "paired_text_to_text": Kind(("prompt", "chosen", "rejected"), ("margin",)),
    "instruction_to_outputs": Kind(("instruction",), named_texts=("outputs",)),
}


@dataclass(frozen=True)
class Instance:
    """One instance, its fields checked.

    Attributes:
        kind: a key of KINDS.
        place: file and index, for messages.
        fields: as they were read, with those that its kind does not know.
    """

    kind: str
    place: str
    fields: Mapping[str, Any]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that the kind asks for, in its order."""
        return tuple(self.fields[name] for name in KINDS[self.kind].texts)


def read_lmflow(path: Path, kinds: Iterable[str] = KINDS) -> list[Instance]:
    """Read a file, or the *.json files of a folder in the order of their names.

    Args:
        path: file or folder; its manifest.json is no data.
        kinds: the types to accept, keys of KINDS.

    Raises:
        UserError: nothing there or no instance, text that is not UTF-8 or no JSON, another type, two types in
            one folder, or an instance without its fields; names file, instance and field.
    """
    files = (
        [file for file in sorted(path.glob("*.json")) if file.name != MANIFEST] if path.is_dir() else [path]
    )
    instances: list[Instance] = []
    for file in files:
        found = parse_lmflow(read_utf8(file), file, kinds)
        if instances and found and instances[0].kind != found[0].kind:
            raise UserError(
                f"{file}: type {found[0].kind!r}, but {files[0].name} beside it is of type "
                f"{instances[0].kind!r}: give each type a folder of its own"
            )
        instances += found
    if not instances:
        raise UserError(f"data set {path} is empty: give LMFlow JSON with at least one instance")
    return instances


def read_utf8(path: Path) -> str:
    """Read a text file.

    Raises:
        UserError: it is missing, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"data set {path} is missing: check the path") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}; convert the file") from None


def parse_json(content: str, place: str) -> Any:
    """Parse JSON.

    Raises:
        UserError: it is none; says where.
    """
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise UserError(f"{place}: not JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise UserError(f"{place}: JSON nested too deeply") from None


def parse_lmflow(content: str, path: Path, kinds: Iterable[str] = KINDS) -> list[Instance]:
    """Parse the content of one file; as `read_lmflow`, but it may hold no instance."""
    data = parse_json(content, str(path))
    if not isinstance(data, dict) or not isinstance(data.get("instances"), list):
        raise UserError(f'{path}: not LMFlow JSON; it needs {{"type": ..., "instances": [...]}}')
    kind, wanted = data.get("type"), list(kinds)
    if kind not in wanted:
        raise UserError(f"{path}: type {kind!r} is not one of {', '.join(wanted)}")
    return [_instance(item, kind, f"{path}: instance {i}") for i, item in enumerate(data["instances"])]


def _instance(item: Any, kind: str, place: str) -> Instance:
    wanted = KINDS[kind]
    fields = item if isinstance(item, dict) else {}
    for name in wanted.texts:
        if not isinstance(fields.get(name), str):
            raise UserError(f"{place}: needs text under {name!r}")
    for name in wanted.numbers:
        number = fields.get(name)
        if number is not None and not _is_finite(number):
            raise UserError(f"{place}: {name} is {number!r}, no finite number")
    for name in wanted.named_texts:
        texts = fields.get(name)
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise UserError(f"{place}: needs an object of texts under {name!r}")
    return Instance(kind, place, fields)


def _is_finite(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)


def lmflow_text(kind: str, instances: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the pieces of an LMFlow JSON file, an instance a line."""
    yield f'{{"type": {json.dumps(kind)}, "instances": ['
    separator = "\n"
    for instance in instances:
        yield separator + json.dumps(instance, ensure_ascii=False)
        separator = ",\n"
    yield "\n]}\n"
