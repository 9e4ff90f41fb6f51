"""The benchmarks run and measure what they say; here on a model of a few kilobytes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "interpolate.py"
SIZES = ("vocab_size=64", "hidden_size=32", "intermediate_size=48", "num_hidden_layers=3")


@pytest.mark.slow
def test_the_merge_is_timed_against_reading_and_writing(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--work", tmp_path, "--rounds", "1", "--sizes", *SIZES]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = dict(re.findall(r"^\| (\S.*?\S) +\| +([\d.]+) +\|", printed, re.MULTILINE))
    fast, whole = float(rows["engine alone"]), float(rows["python -m ama.interpolate"])
    assert "read 2, write 1, fsync" in rows
    assert 0 < fast < whole
    assert [path.name for path in tmp_path.iterdir()] == ["-".join(["pair", *SIZES])]
