"""The argument parser of all commands: argparse, with defaults in the help and one-line errors."""

import argparse
import re
from typing import NoReturn

from ama.errors import UserError


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keep the description's line breaks and show each option's default where it has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, ""):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """argparse.ArgumentParser for `python -m ama.<command>`: whole option names only, errors on one line."""

    def __init__(self, command: str, description: str) -> None:
        """Name the command as it is run, `ama.<command>`, and describe it as --help shall show it."""
        super().__init__(
            prog=f"python -m ama.{command}",
            description=description,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise UserError, which `ama.console.run` reports like any other mistake of the user."""
        raise UserError(f"{message} (see {self.prog} --help)")


def positive_int(text: str) -> int:
    """Read a whole number above 0, as the `type` of an argument."""
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number above 0")
    return int(text)
