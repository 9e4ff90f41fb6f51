"""The dialogue format `###Human: ...###Assistant: ...`: marks, turns, and where a sampled reply ends."""

import re
from collections.abc import Iterable
from typing import NamedTuple

HUMAN = "###Human:"
ASSISTANT = "###Assistant:"

_MARK = re.compile(f"({HUMAN}|{ASSISTANT})")


class Turn(NamedTuple):
    """What one side says.

    Attributes:
        mark: HUMAN or ASSISTANT.
        text: all up to the next mark, as it stands, mostly with a space first.
    """

    mark: str
    text: str


def split_turns(text: str) -> list[Turn]:
    """Split a dialogue at its marks; `join_turns` gives the text back.

    Args:
        text: a whole dialogue, or a prompt, whose last turn is a mark with nothing behind it.

    Raises:
        ValueError: it does not begin with the human's mark. The message says what is there.
    """
    before, *rest = _MARK.split(text)
    if before or not rest or rest[0] != HUMAN:
        begin = text[:30] + "..." * (len(text) > 30)
        raise ValueError(f"a dialogue begins with '{HUMAN}', not with {begin!r}")
    return [Turn(mark, said) for mark, said in zip(rest[::2], rest[1::2], strict=True)]


def join_turns(turns: Iterable[Turn]) -> str:
    """Return the dialogue as one text."""
    return "".join(f"{mark}{said}" for mark, said in turns)


def has_mark(text: str) -> bool:
    """Return whether a mark of either side occurs in the text."""
    return _MARK.search(text) is not None


def split_reply(text: str) -> tuple[str, str]:
    """Split a dialogue after its last `###Assistant:` into prompt and reply; without one all is reply."""
    prompt, mark, reply = text.rpartition(ASSISTANT)
    return prompt + mark, reply


def cut_reply(text: str) -> str:
    """Cut a sampled reply where the model begins to speak for the human (paper, reward evaluation).

    Args:
        text: what was sampled after a prompt that ends in `###Assistant:`.

    Returns:
        All before the next `###Human`, with or without its colon, and without the white space before it.
        A reply without the mark comes back as it is.
    """
    reply, mark, _ = text.partition(HUMAN.removesuffix(":"))
    return reply.rstrip() if mark else reply
