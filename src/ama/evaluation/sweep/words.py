"""A measure of a sweep in one word of the command line: a kind and its options."""

from __future__ import annotations

import shlex

from ama.console.command import Command
from ama.errors import UserError
from ama.settings.base import Settings
from ama.settings.measures import MEASURES


def read_measure(text: str) -> Settings:
    """Return the settings of a measure that is given as `KIND OPTIONS`.

    Raises:
        UserError: an unknown kind, or wrong options.
    """
    try:
        name, *words = shlex.split(text) or [""]
    except ValueError as error:
        raise UserError(f"--measure {text!r}: {str(error).lower()}; give a kind and its options") from None
    if name not in MEASURES:
        raise UserError(
            f"--measure {text!r}: there is no {name!r}, give {', '.join(MEASURES)} and its options"
        )
    kind = MEASURES[name]
    command = Command(f"pareto --measure '{name}'", "A measure of a sweep.", kind.group)
    return command.parse(words)[kind.settings]
