"""What a group of settings is: a frozen dataclass whose fields carry default, range and help."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_type_hints

from ama.errors import UserError
from ama.settings.values import expected_of, plain, shape_of, typed

_MARK = "option"


@dataclass(frozen=True)
class Option:
    """What a command line needs to know of a field beside its name, type and default.

    Attributes:
        help: for --help, a phrase.
        metavar: stands for the value in --help.
        low: least value, included.
        high: greatest value, included.
        above: lower bound, excluded.
        below: upper bound, excluded.
        aliases: other names of the option, without dashes.
        positional: an argument without a name.
        repeated: the option may be given several times, and the values are collected.
        hidden: accepted, and not shown in --help.
        environment: variable of the environment that gives the default where it is set.
    """

    help: str = ""
    metavar: str | None = None
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    aliases: tuple[str, ...] = ()
    positional: bool = False
    repeated: bool = False
    hidden: bool = False
    environment: str | None = None


def option(default: Any = MISSING, help: str = "", **rest: Any) -> Any:
    """Return a dataclass field that is an option of the commands that take its group.

    Args:
        default: without one the option is required.
        help: for --help, a phrase.
        **rest: as of `Option`.
    """
    return field(default=default, metadata={_MARK: Option(help, **rest)})


def options_of(group: type[Settings]) -> dict[str, Option]:
    """Return the options of a group by the names of its fields."""
    return {one.name: one.metadata[_MARK] for one in fields(group)}


def record_of(groups: Iterable[Settings]) -> dict[str, Any]:
    """Return every setting of some groups by name, as JSON can hold it: what stands beside results."""
    return {
        name: plain(getattr(group, name))
        for group in groups
        for name, spec in options_of(type(group)).items()
        if not spec.hidden
    }


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A group of settings; the first line of a group's docstring is its title in --help.

    Raises:
        UserError: a value outside its option's range, or one that does not go with another.
    """

    def __post_init__(self) -> None:
        """Take text for paths and enums and lists for tuples, then check ranges and what goes together."""
        types = get_type_hints(type(self))
        for name, spec in options_of(type(self)).items():
            value = self._take(name, shape_of(types[name]).kind)
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, int | float) and not isinstance(one, bool):
                    _check_range(name, one, spec)
        self.check()

    def _take(self, name: str, kind: Any) -> Any:
        try:
            value = typed(kind, getattr(self, name))
        except ValueError:
            raise UserError(f"--{name}: '{getattr(self, name)}' is not {expected_of(kind)}") from None
        object.__setattr__(self, name, value)
        return value

    def check(self) -> None:
        """Check values against each other; for groups that have something to check."""


def _check_range(name: str, value: float, spec: Option) -> None:
    inside = (
        math.isfinite(value)
        and (spec.low is None or value >= spec.low)
        and (spec.high is None or value <= spec.high)
        and (spec.above is None or value > spec.above)
        and (spec.below is None or value < spec.below)
    )
    if not inside:
        raise UserError(f"--{name} {value}: give {range_text(spec)}")


def range_text(spec: Option) -> str:
    """Return an option's range in words: `1 or more`, `a number in [0, 1)`."""
    lower, upper = (spec.low, spec.above), (spec.high, spec.below)
    least = next((bound for bound in lower if bound is not None), None)
    most = next((bound for bound in upper if bound is not None), None)
    if least is not None and most is not None:
        opening, closing = "[" if spec.low is not None else "(", "]" if spec.high is not None else ")"
        return f"a number in {opening}{least:g}, {most:g}{closing}"
    if least is not None:
        return f"{least:g} or more" if spec.low is not None else f"a number above {least:g}"
    if most is not None:
        return f"{most:g} or less" if spec.high is not None else f"a number below {most:g}"
    return "a finite number"
