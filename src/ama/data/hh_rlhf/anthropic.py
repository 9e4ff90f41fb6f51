"""Anthropic's HH-RLHF: its files, and its comparisons as preference pairs of our dialogue format."""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from ama.data.dialogue import ASSISTANT, HUMAN, has_mark, split_reply, split_turns
from ama.data.lmflow import parse_json
from ama.data.pairs import Pair
from ama.errors import UserError

SPLITS = ("train", "test")

_MARK = re.compile(r"\n\n(Human|Assistant):")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKS = {"Human": HUMAN, "Assistant": ASSISTANT}


class Dropped(StrEnum):
    """Why a comparison is left out."""

    UNICODE = "no valid Unicode"
    MARK = "holds one of our role marks"
    BEGIN = "does not begin with the human"
    END = "does not end with a reply"
    PROMPT = "prompts differ"
    EMPTY = "a reply is empty"
    EQUAL = "replies are equal"


def convert(chosen: str, rejected: str) -> Pair | Dropped:
    r"""Turn two of Anthropic's dialogues, which differ in the last reply, into a pair.

    Args:
        chosen: the preferred dialogue, turns marked by `\n\nHuman:` and `\n\nAssistant:`.
        rejected: the other one.

    Returns:
        The pair, all turns kept and nothing but the marks changed, or the first reason against it.
    """
    dialogues = (chosen, rejected)
    if any(_is_broken(text) for text in dialogues):
        return Dropped.UNICODE
    if any(has_mark(text) for text in dialogues):
        return Dropped.MARK
    if not all(text.startswith("\n\nHuman:") for text in dialogues):
        return Dropped.BEGIN
    texts = [_MARK.sub(lambda mark: _MARKS[mark[1]], text) for text in dialogues]
    if any(split_turns(text)[-1].mark != ASSISTANT for text in texts):
        return Dropped.END
    (prompt, reply), (other_prompt, other_reply) = map(split_reply, texts)
    if prompt != other_prompt:
        return Dropped.PROMPT
    if not reply.strip() or not other_reply.strip():
        return Dropped.EMPTY
    if reply.strip() == other_reply.strip():
        return Dropped.EQUAL
    return Pair(prompt, reply, other_reply)


def _is_broken(text: str) -> bool:
    """Return whether half a surrogate pair is in the text, which JSON can hold and UTF-8 can't."""
    return _SURROGATE.search(text) is not None


def read_comparisons(
    path: Path, content: bytes, advance: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[str, str]]:
    """Yield chosen and rejected of each line of a .jsonl.gz file.

    Args:
        path: for messages.
        content: the file's bytes.
        advance: called with the number of compressed bytes just read.

    Raises:
        UserError: no gzip file or one cut short, no UTF-8, no JSON, or a line without its two texts.
    """
    raw = io.BytesIO(content)
    position = 0
    try:
        with gzip.open(raw, "rt", encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                yield _comparison(line, f"{path}: line {number}")
                position, before = raw.tell(), position
                advance(position - before)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is no whole gzip file ({error}): fetch it again") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason}): fetch it again") from error


def _comparison(line: str, place: str) -> tuple[str, str]:
    fields = parse_json(line, place)
    texts = [fields.get(name) if isinstance(fields, dict) else None for name in ("chosen", "rejected")]
    for name, text in zip(("chosen", "rejected"), texts, strict=True):
        if not isinstance(text, str):
            raise UserError(f"{place}: needs text under {name!r}")
    return str(texts[0]), str(texts[1])
