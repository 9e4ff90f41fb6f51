"""Every command from a cold start: --help comes at once and loads no framework."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ama.console.commands import names

COMMANDS = ["__main__", *names()]
HEAVY = {"torch", "transformers", "trl", "datasets", "lm_eval", "matplotlib", "plotly", "scipy", "deepspeed"}
SECONDS = 1.0


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("command", COMMANDS)
def test_help_comes_at_once(command: str, tmp_path: Path) -> None:
    before = _processor_time()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", f"ama.{command}", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = _processor_time() - before
    assert done.returncode == 0, done.stderr[-3000:]
    assert "--help" in done.stdout
    imported = set(re.findall(r"\| +(\w+)$", done.stderr, re.MULTILINE))
    assert not HEAVY & imported
    assert seconds < SECONDS
