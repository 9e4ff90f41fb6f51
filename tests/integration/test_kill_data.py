"""python -m ama.prepare_hh_rlhf, killed again and again: it goes on, and ends as if nothing had been."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.hh import snapshot, whole_source

from ama.checkpoint.staging import staging_of
from ama.data.hh_rlhf.part import work_of

NAP = 0.001


class Scene:
    """Comparisons, and runs over them that can be watched and killed."""

    def __init__(self, folder: Path) -> None:
        self.source = whole_source(folder / "source", train=3000, test=1500)
        self.out = folder / "out"

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        variables = {name: value for name, value in os.environ.items() if name != "HH_RLHF_SOURCE"}
        command = [sys.executable, "-m", "ama.prepare_hh_rlhf", str(out), "--source", str(self.source)]
        return subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)

    def parts(self) -> list[Path]:
        return list(work_of(self.out).glob("*.json"))

    def kill_when(self, reached: Callable[[], bool]) -> bool:
        """Start a run, kill it once it has come so far, and return whether it was still running."""
        process = self.start(self.out)
        while not reached() and process.poll() is None:
            time.sleep(NAP)
        process.kill()
        return process.wait(60) == -9

    def finish(self, out: Path) -> dict[str, bytes]:
        assert self.start(out).wait(300) == 0
        return snapshot(out)


@pytest.mark.slow
def test_killed_runs_go_on_and_end_as_an_uninterrupted_one(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    whole = scene.finish(tmp_path / "whole")
    assert len(whole) == 8
    hits = []
    made = {}
    for count in (1, 2, 4, 6):
        hits.append(scene.kill_when(lambda wanted=count: len(scene.parts()) >= wanted))  # type: ignore[misc]
        assert not scene.out.exists()
        now = {path: path.stat().st_ino for path in scene.parts()}
        assert made.items() <= now.items(), "a part that was whole was made again"
        made = now
    staging = staging_of(scene.out)
    for name in ("sft/train.json", "rlhf/rlhf_eval/second_half.json"):
        hits.append(scene.kill_when((staging / name).exists))
        assert not (scene.out.exists() and hits[-1])
    assert sum(hits) >= 5, hits
    assert scene.finish(scene.out) == whole
    assert {path.name for path in tmp_path.iterdir()} == {"source", "whole", "out"}


@pytest.mark.slow
def test_kills_at_any_moment(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    begin = time.perf_counter()
    whole = scene.finish(tmp_path / "whole")
    seconds = time.perf_counter() - begin
    rng = random.Random(1)
    for _ in range(8):
        end = time.perf_counter() + rng.uniform(0, seconds)
        scene.kill_when(lambda moment=end: time.perf_counter() >= moment)  # type: ignore[misc]
        if scene.out.exists():
            assert snapshot(scene.out) == whole
    assert scene.finish(scene.out) == whole
    assert {path.name for path in tmp_path.iterdir()} == {"source", "whole", "out"}
