"""scripts/quickstart.sh as a whole: its models differ as it says, and averages beat the straight line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ama.evaluation.scores import read_scores

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
AVERAGES = {0.0: "pma_0.0_before_after", 0.5: "pma_0.5_before_after", 1.0: "pma_1.0_before_after"}


@pytest.mark.slow
def test_the_quickstart_shows_the_tax_and_what_averaging_gives_back(tmp_path: Path) -> None:
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    install = tmp_path / "install.sh"
    install.write_text("#!/usr/bin/env bash\n")
    install.chmod(0o755)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "ratios": "0.0 0.5 1.0"}
    done = subprocess.run(
        ["bash", "scripts/quickstart.sh"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    output = tmp_path / "output" / "quickstart"
    assert (output / "losses.png").read_bytes().startswith(b"\x89PNG")
    scores = read_scores(output / "scores.jsonl")
    loss = {(Path(row.model).name, row.task): row.value for row in scores if row.metric == "loss"}
    assert all(f"{value:.4f} ± " in done.stdout for value in loss.values())

    for task, better, worse in (("prose", "before", "after"), ("code", "after", "before")):
        good, bad = loss[better, task], loss[worse, task]
        assert bad > good + 0.3
        assert good < loss[AVERAGES[0.5], task] < (good + bad) / 2
        assert good < loss["pma_0.4_before_split|1#3|0.6|0.4|0.2_after", task] < bad
        assert loss[AVERAGES[1.0], task] == loss["before", task]
        assert loss[AVERAGES[0.0], task] == loss["after", task]
