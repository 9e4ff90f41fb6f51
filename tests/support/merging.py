"""The command with all that it needs imported: a fork server preloads this and its children merge at once."""

import sys

import ama.averaging.average  # noqa: F401
from ama.console import run
from ama.interpolate import main


def merge(arguments: list[str]) -> None:
    """Run `python -m ama.interpolate` with these arguments in this process, and exit with its status."""
    sys.argv = ["ama.interpolate", *arguments]
    run(main)
