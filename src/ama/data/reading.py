"""Read texts from plain text, LMFlow JSON and JSON lines."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ama.core.errors import UserError
from ama.data.lmflow import parse_json, parse_lmflow, read_utf8

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
    return [text for path in paths for text in _read(path)]


def _read(path: Path) -> list[str]:
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise UserError(
            f"{path}: cannot tell the format from suffix {path.suffix!r}; use {', '.join(_READERS)}"
        )
    texts = [text for text in reader(path, read_utf8(path)) if text.strip()]
    if not texts:
        raise UserError(f"{path}: holds no text")
    return texts


def _plain(path: Path, content: str) -> list[str]:
    return [content]


def _lmflow(path: Path, content: str) -> list[str]:
    return ["".join(instance.texts) for instance in parse_lmflow(content, path, LMFLOW_KINDS)]


def _json_lines(path: Path, content: str) -> list[str]:
    texts = []
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            place = f"{path}: line {number}"
            texts.append(_line(parse_json(line, place), place))
    return texts


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


_READERS: dict[str, Callable[[Path, str], list[str]]] = {
    ".txt": _plain,
    ".json": _lmflow,
    ".jsonl": _json_lines,
}
