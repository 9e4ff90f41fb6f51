"""Run any command's main function in this process: a subprocess would load torch anew for every test."""

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from ama.console import run


def call(main: Callable[[], int | None], *arguments: str | Path) -> None:
    """Run a command as `python -m` does; a user's mistake is raised as UserError."""
    with patch.object(sys, "argv", ["command", *map(str, arguments)]):
        assert not main()


def complaint(
    capsys: pytest.CaptureFixture[str], main: Callable[[], int | None], *arguments: str | Path
) -> str:
    """Run a command that shall fail with exit status 2, and return its one line on stderr."""
    with patch.object(sys, "argv", ["command", *map(str, arguments)]), pytest.raises(SystemExit) as exit_:
        run(main)
    assert exit_.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]
