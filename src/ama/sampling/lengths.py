"""What is too long for a training or a sampling is left out, and counted."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from ama.errors import UserError

_Item = TypeVar("_Item")


def short_enough(
    items: Sequence[_Item], lengths: Iterable[int], limit: int, what: str, option: str
) -> list[_Item]:
    """Return the items of at most `limit` tokens; how many have more is said on stderr.

    Args:
        items: prompts or pairs.
        lengths: tokens of each.
        limit: tokens of one, at most.
        what: name of an item, for messages.
        option: that sets the limit.

    Raises:
        UserError: none is short enough.
    """
    kept = [item for item, length in zip(items, lengths, strict=True) if length <= limit]
    if not kept:
        raise UserError(f"no {what} has at most {limit} tokens: raise {option}")
    if len(kept) < len(items):
        sys.stderr.write(
            f"{len(items) - len(kept)} of {len(items)} {what}s have more than {limit} tokens: left out\n"
        )
    return kept
