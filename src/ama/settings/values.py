"""The values of settings: their types, and how each is read from a command line or from YAML."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin


class _Misread(ArgumentTypeError, TypeError):
    """A word that is not of its setting's type, in terms of argparse and of jsonargparse."""


_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
BOOLEANS = {"true": True, "false": False}


class Shape(NamedTuple):
    """The type of one value of a setting, how deep it lies in tuples, and whether it may be None."""

    kind: Any
    depth: int
    optional: bool = False


def shape_of(kind: Any) -> Shape:
    """Take a setting's annotation apart, such as `tuple[str, ...]` or `int | None`."""
    if get_origin(kind) is tuple:
        inner = shape_of(get_args(kind)[0])
        return Shape(inner.kind, inner.depth + 1)
    if get_origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not NoneType]
        optional = len(kinds) < len(get_args(kind))
        inner = shape_of(kinds[0]) if len(kinds) == 1 else Shape(Union[tuple(kinds)], 0)  # noqa: UP007
        return inner._replace(optional=optional)
    return Shape(kind, 0)


def reader(kind: Any, depth: int) -> Callable[[Any], Any]:
    """Return what reads a value, be it a word of the command line or what stands in YAML.

    Args:
        kind: its type.
        depth: how deep values may lie in lists.
    """

    def read(value: Any, level: int = 0) -> Any:
        if isinstance(value, list) and level < depth:
            return [read(one, level + 1) for one in value]
        try:
            return _read_one(kind, value)
        except (TypeError, ValueError, KeyError):
            raise _Misread(f"'{value}' is not {expected_of(kind)}") from None

    return read


def _read_one(kind: Any, value: Any) -> Any:
    """Return a value as its type; ValueError, TypeError or KeyError if it is none."""
    if get_origin(kind) in (Union, UnionType):
        for one in get_args(kind):
            with suppress(TypeError, ValueError, KeyError):
                return _read_one(one, value)
        raise ValueError
    if kind is bool:
        return BOOLEANS[str(value).lower()]
    if isinstance(value, bool | list | dict) or value is None:
        raise TypeError
    if choices := choices_of(kind):
        return choices[choices.index(str(value))]
    if kind is int and not re.fullmatch(r"[+-]?[0-9]{1,18}", str(value)):
        raise ValueError
    # A path stays text until the settings are made, since YAML knows no paths.
    return str(value) if kind is Path else kind(str(value))


def choices_of(kind: Any) -> list[str]:
    """Return the words of a Literal or StrEnum, none for other types."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return [str(member) for member in kind]
    return [str(one) for one in get_args(kind)] if get_origin(kind) is Literal else []


def expected_of(kind: Any) -> str:
    """Return what a value of a type is, in words: `a whole number`, `red or blue`."""
    if choices := choices_of(kind):
        return " or ".join(choices)
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(expected_of(one) for one in get_args(kind))
    return _EXPECTED.get(kind, "such a value")


def typed(kind: Any, value: Any) -> Any:
    """Return a value as the setting holds it: tuples for lists, paths and members of enums for text.

    Raises:
        ValueError: text that is no member of the enum.
    """
    if isinstance(value, list | tuple):
        return tuple(typed(kind, one) for one in value)
    made_of_text = isinstance(kind, type) and issubclass(kind, StrEnum | Path)
    if made_of_text and isinstance(value, str):
        return kind(value)
    if value is not None and (choices := choices_of(kind)) and str(value) not in choices:
        raise ValueError(f"'{value}' is no choice")
    return value


def plain(value: Any) -> Any:
    """Return a value as JSON and YAML can hold it."""
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, Path | StrEnum) else value
