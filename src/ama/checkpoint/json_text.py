"""JSON objects from files that may be broken: whatever is wrong with one is a ValueError."""

import json
from typing import Any


def parse_object(data: bytes, *, unique_keys: bool = False) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        data: UTF-8 text.
        unique_keys: refuse a key that occurs twice in an object, where `json` keeps the last.

    Raises:
        ValueError: no UTF-8, no JSON, no object, nested too deeply, or a repeated key.
    """
    try:
        content = json.loads(data.decode(), object_pairs_hook=_without_repeats if unique_keys else None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    return content


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' occurs twice")
    return content
