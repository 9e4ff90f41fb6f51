"""scripts/quickstart.sh as a whole, on small worlds: the tax, reports, the same scores after being killed."""

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support import warm
from support.hosts import kill_all

from ama.evaluation.scores import Score, read_scores
from ama.models import load_model

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# Of a small world, an average is recommended only if it may lose much of the reward gained.
SHORT = {
    "size": "small",
    "ratios": "0.5",
    "means": "0.3",
    "mask_steps": "5",
    "most_loss": "0.6",
    "prices": "0.3",
    "price_steps": "4",
}
KILLS = 5


def _start(home: Path, *arguments: str, processes: int = 2) -> subprocess.Popen[bytes]:
    """Start the quickstart in a copy of the scripts whose installation is done."""
    if not (home / "scripts").exists():
        for name in ("scripts", "configs"):
            shutil.copytree(ROOT / name, home / name)
        (home / "install.sh").write_text("#!/usr/bin/env bash\n")
        (home / "install.sh").chmod(0o755)
    with (home / "out").open("a") as out, (home / "err").open("a") as err:
        return subprocess.Popen(
            ["bash", "scripts/quickstart.sh", *arguments],
            cwd=home,
            env=warm.variables(**SHORT, processes=str(processes)),
            stdout=out,
            stderr=err,
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run that was left alone, over two worlds, and its seconds."""
    home = tmp_path_factory.mktemp("whole")
    begun = time.monotonic()
    process = _start(home, "--seeds", "0,1", processes=1)
    assert process.wait(timeout=900) == 0, (home / "err").read_text()[-3000:]
    return home, time.monotonic() - begun


def _scores(home: Path) -> list[Score]:
    return read_scores(home / "output" / "quickstart" / "seed_0" / "front" / "scores.jsonl")


def _values(home: Path) -> dict[tuple[str, str, str, str], float]:
    return {(row.model, row.schedule, row.task, row.metric): row.value for row in _scores(home)}


def test_rlhf_raises_the_reward_and_an_average_keeps_a_part(whole: tuple[Path, float]) -> None:
    # What RLHF costs is no larger than the error in a world this small.
    rows = {(Path(row.model).name, row.schedule): row for row in _scores(whole[0]) if row.metric == "reward"}
    before, after = rows["before", ""], rows["after", ""]
    assert before.stderr is not None
    assert after.value - before.value > 3 * before.stderr
    # The name of an average ends in after's.
    assert before.value < rows["after", "0.5"].value < after.value


def test_it_ends_with_reports_and_a_checkpoint(whole: tuple[Path, float]) -> None:
    home, _ = whole
    output = home / "output" / "quickstart"
    for folder in ("seed_0/front", "seed_1/front", "pooled"):
        assert (output / folder / "front.png").read_bytes().startswith(b"\x89PNG")
        page = (output / folder / "report.html").read_text()
        assert "AMA, response + retain" in page
    for seed in (0, 1):
        assert load_model(output / f"seed_{seed}" / "recommended").config.num_hidden_layers == 6
    said = (home / "out").read_text()
    assert "output/quickstart/pooled/report.html" in said
    assert "Sandbox of seed 1: " in said
    assert "plain averaging" in said


def test_a_run_that_was_killed_goes_on_to_the_same_scores(whole: tuple[Path, float], tmp_path: Path) -> None:
    other, seconds = whole
    source = random.Random(0)
    # What is whole when a run is killed is kept, so that five of them reach into the sweep.
    for _ in range(KILLS):
        process = _start(tmp_path)
        time.sleep(source.uniform(0.05, 0.3) * seconds / 2)
        if process.poll() is None:
            kill_all(process)
    assert _start(tmp_path).wait(timeout=900) == 0, (tmp_path / "err").read_text()[-3000:]
    assert _values(tmp_path) == _values(other)
    assert len(_scores(tmp_path)) == len(_scores(other))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seeds", "a"), "seeds are 'a': give whole numbers"),
        (("--seeds", "1,,2"), "seeds are '1,,2': give whole numbers"),
        (("--seeds",), "seeds are '': give whole numbers"),
        (("--seed", "1"), "unknown argument --seed: give --seeds 0,1,2"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert _start(tmp_path, *words).wait(timeout=30) == 2
    (line,) = (tmp_path / "err").read_text().splitlines()
    assert message in line
    assert not (tmp_path / "output").exists()
