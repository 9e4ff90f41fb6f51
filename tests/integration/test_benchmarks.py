"""The benchmarks run and measure what they say; here on a model of a few kilobytes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import warm
from support.evaluating import make_eval_data, make_reader
from support.masking import save_scene

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZES = ("vocab_size=64", "hidden_size=32", "intermediate_size=48", "num_hidden_layers=3")


@pytest.mark.slow
def test_the_merge_is_timed_against_reading_and_writing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        BENCHMARKS / "interpolate.py",
        "--work",
        tmp_path,
        "--rounds",
        "1",
        "--sizes",
        *SIZES,
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = dict(re.findall(r"^\| (\S.*?\S) +\| +([\d.]+) +\|", printed, re.MULTILINE))
    fast, whole = float(rows["engine alone"]), float(rows["python -m ama.interpolate"])
    assert "read 2, write 1, fsync" in rows
    assert 0 < fast < whole
    assert [path.name for path in tmp_path.iterdir()] == ["-".join(["pair", *SIZES])]


def _table(printed: str) -> dict[str, str]:
    return dict(re.findall(r"^\| (\S.*?\S) +\| +(.+?) +\|", printed, re.MULTILINE))


def _run(command: list[str | Path]) -> str:
    """Run a benchmark on warm processes; what it says of time and memory is of no worth then."""
    variables = warm.variables()
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_step_of_the_ratios_is_timed_against_a_frozen_one(tmp_path: Path) -> None:
    save_scene(tmp_path)
    models = ["--before", tmp_path / "before", "--after", tmp_path / "after"]
    sizes = ["--text", tmp_path / "samples.json", "--rows", "2", "--length", "16", "--rounds", "1"]
    command = [warm.python(), BENCHMARKS / "masks.py", *models, *sizes, "--dtypes", "float32"]
    rows = _table(_run(command))
    assert float(rows["ours"]) > 0
    assert float(rows["frozen"]) > 0
    exact, ours = rows["float32 weights, float32 arithmetic"], rows["float32, ours"]
    assert exact == ours
    assert len(exact.split()) == 3


@pytest.mark.slow
def test_learned_ratios_come_near_the_best_of_the_grid(tmp_path: Path) -> None:
    sizes = {"train_characters": 60_000, "test_characters": 2_000, "layers": 3, "width": 32}
    sizes |= {"block_size": 128, "before_steps": 40, "after_steps": 30}
    command = [warm.python(), BENCHMARKS / "convergence.py", "--work", tmp_path, "--seeds", "0"]
    command += ["--pair", json.dumps(sizes), "--loss_on", "text"]
    printed = _run(command)
    gains = [float(gain) for gain in re.findall(r" (-?[\d.]+)% +\|$", printed, re.MULTILINE)]
    assert len(gains) == 4
    assert min(gains) >= 95


@pytest.mark.slow
def test_learned_ratios_are_measured_on_held_out_samples(tmp_path: Path) -> None:
    save_scene(tmp_path)
    models = ["--before", tmp_path / "before", "--after", tmp_path / "after", "--work", tmp_path / "work"]
    data = ["--samples", tmp_path / "samples.json", "--held_out", tmp_path / "samples.json"]
    sizes = ["--levels", "block3", "--means", "0.4", "--length", "16", "--block_size", "16"]
    command = [warm.python(), BENCHMARKS / "held_out.py", *models, *data, *sizes]
    command += ["--lr", "0.3", "--max_steps", "12", "--scale_lr_by_sharing", "false", "--reg_alpha", "0"]
    printed = _run(command)
    rows = re.findall(
        r"^\| (text|response) +\| ([\d.]*) +\| (\w+) +\| ([\d.]+) +\| (\S*)", printed, re.MULTILINE
    )
    losses = {(tokens, name): float(loss) for tokens, _, name, loss, _ in rows}
    assert losses.keys() == {
        (t, n) for t in ("text", "response") for n in ("before", "after", "equal", "block3")
    }
    gain = next(float(gain) for tokens, _, name, _, gain in rows if (tokens, name) == ("text", "block3"))
    assert gain == pytest.approx(losses["text", "equal"] - losses["text", "block3"], abs=2e-4)
    assert gain > 0


@pytest.mark.slow
def test_a_point_of_a_sweep_is_timed_against_its_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    data = make_eval_data(tmp_path)
    before, after = (make_reader(tmp_path / str(seed), seed) for seed in (1, 2))
    there = sorted(tmp_path.iterdir())
    command = [warm.python(), BENCHMARKS / "sweep.py", "--before", before, "--after", after, "--points", "2"]
    command += ["--measure", f"harness --tasks arc_easy --eval_data {data}"]
    rows = _table(_run(command))
    assert 0 < float(rows["mixing a point, s"]) < float(rows["a point with its evaluation, s"])
    assert "peak memory beyond the start, GiB" in rows  # which rounds to 0 here
    assert sorted(tmp_path.iterdir()) == there
