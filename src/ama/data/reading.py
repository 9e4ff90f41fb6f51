"""Read texts from plain text, LMFlow JSON and JSON lines."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ama.data.lmflow import parse_json, parse_lmflow, read_utf8
from ama.errors import UserError

LMFLOW_KINDS = ("text_only", "text2text")
LINE_FIELDS: tuple[tuple[str, ...], ...] = (("text",), ("prompt", "response"), ("prompt", "completion"))


def read_texts(paths: Iterable[Path]) -> list[str]:
    """Read every document of the given files, in order.

    Args:
        paths: files, told apart by their suffix. `.txt` holds one document. `.json` is LMFlow's format,
            `{"type": "text_only" | "text2text", "instances": [...]}`. `.jsonl` holds one instance a line:
            `text`, or `prompt` and `response` (or `completion`). Prompt and reply are joined as they are.

    Returns:
        The documents, none of them blank.

    Raises:
        UserError: for another suffix, for text that is not UTF-8, for an instance without the fields (the
            message names file, instance and field), and for a file that holds no document.
    """
    return [text for path in paths for text in _texts(path)]


def read_documents(path: Path) -> list[tuple[str, str]]:
    """Read the documents of one file, blank ones too, each with its place for messages.

    Raises:
        UserError: see `read_texts`; but a file may hold no document.
    """
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise UserError(
            f"{path}: cannot tell the format from suffix {path.suffix!r}; use {', '.join(SUFFIXES)}"
        )
    return list(reader(path, read_utf8(path)))


def _texts(path: Path) -> list[str]:
    texts = [text for _, text in read_documents(path) if text.strip()]
    if not texts:
        raise UserError(f"{path}: holds no text")
    return texts


def _plain(path: Path, content: str) -> Iterator[tuple[str, str]]:
    yield str(path), content


def _lmflow(path: Path, content: str) -> Iterator[tuple[str, str]]:
    for instance in parse_lmflow(content, path, LMFLOW_KINDS):
        yield instance.place, "".join(instance.texts)


def _json_lines(path: Path, content: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            place = f"{path}: line {number}"
            yield place, _line(parse_json(line, place), place)


def _line(item: Any, place: str) -> str:
    if isinstance(item, dict):
        for fields in LINE_FIELDS:
            if all(field in item for field in fields):
                return _join(item, fields, place)
    wanted = ", or ".join(" and ".join(map(repr, fields)) for fields in LINE_FIELDS)
    raise UserError(f"{place}: needs {wanted}")


def _join(item: Any, fields: tuple[str, ...], place: str) -> str:
    for field in fields:
        if not isinstance(item, dict) or not isinstance(item.get(field), str):
            raise UserError(f"{place}: needs text under {field!r}")
    return "".join(item[field] for field in fields)


_READERS: dict[str, Callable[[Path, str], Iterator[tuple[str, str]]]] = {
    ".txt": _plain,
    ".json": _lmflow,
    ".jsonl": _json_lines,
}
SUFFIXES = tuple(_READERS)
