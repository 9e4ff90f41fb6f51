"""Run ama.interpolate in this process: a subprocess would load torch anew for every test."""

import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from ama.errors import UserError
from ama.interpolate import main


def interpolate(before: Path | str, after: Path | str, out: Path, *arguments: str) -> Path:
    """Merge as `python -m ama.interpolate` does, return `out`; a user's mistake is raised as UserError."""
    models = ["--before", str(before), "--after", str(after), "--out", str(out)]
    with patch.object(sys, "argv", ["ama.interpolate", *models, *arguments]):
        status = main()
    assert status == 0
    return out


def refusal(before: Path | str, after: Path | str, out: Path, *arguments: str) -> str:
    """Return the one line with which a merge is refused, and see that nothing was left at `out`."""
    with pytest.raises(UserError) as caught:
        interpolate(before, after, out, *arguments)
    assert not out.exists()
    assert not list(out.parent.glob(f".{out.name}*"))
    message = str(caught.value)
    assert "\n" not in message
    return message
