"""Completion in the shell: of the commands, their options, and the words that an option takes."""

from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import shtab

from ama.console.command import Command
from ama.console.commands import names, summary
from ama.errors import UserError
from ama.settings.values import BOOLEANS, choices_of

SHELLS = ("bash", "zsh")
_NAME = "--print_completion"


def completion(words: Sequence[str]) -> str:
    """Return the script that a shell reads to complete `ama`.

    Args:
        words: what stands behind --print_completion, the name of a shell.

    Raises:
        UserError: none of the shells.
    """
    if len(words) != 1 or words[0] not in SHELLS:
        raise UserError(f"{_NAME}{''.join(f' {word}' for word in words)}: give {' or '.join(SHELLS)}")
    parser = ArgumentParser("ama")
    parser.add_argument("--version", action="store_true", help="show the version")
    parser.add_argument(_NAME, choices=SHELLS, help="print completion for a shell")
    commands = parser.add_subparsers()
    for name in names():
        text = summary(name).replace("%", "%%")
        command: Command = import_module(f"ama.{name}").COMMAND
        _add_options(commands.add_parser(name, help=text, description=text), command)
    script: str = shtab.complete(parser, shell=words[0])
    return script


def _add_options(parser: ArgumentParser, command: Command) -> None:
    """Add the options of a command under the names that --help shows first, old names left out."""
    for name, spec in command.parser.known.items():
        if spec.hidden:
            continue
        shape = command.parser.shapes[name]
        flag = name if spec.positional else f"--{name}"
        text = spec.help.replace("%", "%%")
        if shape.kind is bool and command.parser.get_default(name) is False:
            parser.add_argument(flag, action="store_true", help=text)
            continue
        nargs = "+" if shape.depth > spec.repeated else None
        action = parser.add_argument(flag, nargs=nargs, help=text)
        action.choices = [*BOOLEANS] if shape.kind is bool else choices_of(shape.kind) or None
        if shape.kind is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    parser.add_argument("--config", help="YAML file with settings").complete = shtab.FILE  # type: ignore[attr-defined]
    parser.add_argument("--print_config", action="store_true", help="print all settings as YAML")
