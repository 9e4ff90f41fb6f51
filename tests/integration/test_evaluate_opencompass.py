"""python -m ama.evaluate_opencompass: the number of OpenCompass's own command line, averages included."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from support.call import call, complaint
from support.command import interpolate
from support.eval_rows import rows, write_lines
from support.evaluating import make_eval_data, make_reader

from ama.evaluate_opencompass import main
from ama.evaluation.measures.shims import apply_shims
from ama.evaluation.scores import Score, read_scores
from ama.evaluation.subject import Subject

pytestmark = pytest.mark.slow

SIZES = ("--max_seq_len", "400", "--max_out_len", "12", "--batch_size", "4")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with before, after and their average, and eval, the folder of evaluation sets."""
    root = tmp_path_factory.mktemp("root")
    make_eval_data(root, 10)
    path = root / "eval" / "data" / "drop_simple_eval" / "dev.jsonl"
    # Answers that some of the random replies hold.
    content = [{**row, "ref_text": "2|d" if number % 2 else "d"} for number, row in enumerate(rows(path))]
    write_lines(path, content)
    pair = make_reader(root / "before", 1, 1), make_reader(root / "after", 2, 1)
    interpolate(*pair, root / "average", "--alpha", "0.3")
    with pytest.MonkeyPatch.context() as patched:
        # The command sets these for its process: undone at the end.
        patched.setenv("HF_HUB_OFFLINE", "1")
        patched.setenv("HF_DATASETS_OFFLINE", "1")
        patched.setattr("datasets.config.HF_DATASETS_CACHE", root / "cache")
        yield root


def measure(root: Path, scores: Path, *arguments: str | Path) -> list[Score]:
    """Return the rows that a run appends."""
    known = len(read_scores(scores))
    call(main, *SIZES, *arguments, "--eval_data", root / "eval", "--scores", scores)
    return read_scores(scores)[known:]


def opencompass_accuracy(model: Path, eval_data: Path, out: Path, *arguments: str) -> float:
    """Run OpenCompass's own command line in this process, for it needs the shims, and return its accuracy."""
    from opencompass.cli.main import main as opencompass

    apply_shims("opencompass")
    options = ["--datasets", "drop_gen", "--hf-path", str(model), "--work-dir", str(out), "--debug"]
    sizes = ["--max-seq-len", "400", "--max-out-len", "12", "--batch-size", "4", "--hf-num-gpus", "0"]
    command = ["opencompass", *options, *sizes, "--model-kwargs", "torch_dtype=float32", *arguments]
    with (
        patch.object(sys, "argv", command),
        patch.dict(os.environ, {"COMPASS_DATA_CACHE": str(eval_data)}),
    ):
        opencompass()
    (path,) = out.glob("*/results/*/drop.json")
    return float(json.loads(path.read_text())["accuracy"])


@pytest.mark.parametrize("kind", ["base", "chat"])
def test_the_accuracy_is_that_of_opencompass_command_line(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    theirs = opencompass_accuracy(root / "average", root / "eval", tmp_path / "out", "--hf-type", kind)
    chat = ("--apply_chat_template",) if kind == "chat" else ()
    (row,) = measure(root, tmp_path / "s.jsonl", "--models", root / "average", *chat)
    assert row.value == theirs
    assert 0 < row.value < 100
    assert row.stderr == pytest.approx(100 * (row.value * (100 - row.value) / 1e4 / 9) ** 0.5)
    assert (row.group, row.task, row.metric, row.n) == ("reading", "drop_gen", "accuracy", 10)
    assert (row.backend, row.backend_version, row.schedule) == ("opencompass", "0.5.4", "0.3")


def test_an_average_in_memory_measures_as_the_written_one(root: Path, tmp_path: Path) -> None:
    pair = ("--before", root / "before", "--after", root / "after", "--schedule", "0.3")
    both = measure(root, tmp_path / "s.jsonl", "--models", root / "average", *pair)
    assert both[0].value == both[1].value
    assert both[0].stderr == both[1].stderr
    with patch.object(Subject, "load", side_effect=AssertionError):
        assert measure(root, tmp_path / "s.jsonl", "--models", root / "average", *pair) == []
    (row,) = measure(root, tmp_path / "s.jsonl", "--models", root / "before", "--limit", "3")
    assert (row.n, row.settings["limit"]) == (3, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]


def _start(root: Path, scores: Path, *arguments: str, launcher: tuple[str, ...]) -> subprocess.Popen[str]:
    command = [*launcher, "-m", "ama.evaluate_opencompass", "--models", str(root / "average"), *SIZES]
    command += ["--eval_data", str(root / "eval"), "--scores", str(scores), *arguments]
    variables = {**os.environ, "HF_HOME": str(root / "home"), "ACCELERATE_USE_CPU": "1"}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)


def test_two_processes_share_the_questions(root: Path, tmp_path: Path) -> None:
    launcher = ("torchrun", "--standalone", "--nproc_per_node", "2")
    process = _start(root, tmp_path / "two.jsonl", launcher=launcher)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said[-3000:]
    (two,) = read_scores(tmp_path / "two.jsonl")
    (one,) = measure(root, tmp_path / "one.jsonl", "--models", root / "average")
    assert (two.value, two.stderr, two.n, two.key) == (one.value, one.stderr, one.n, one.key)


def test_a_killed_run_keeps_its_replies(root: Path, tmp_path: Path) -> None:
    scores = tmp_path / "s.jsonl"
    sizes = ("--batch_size", "1", "--max_out_len", "64")
    process = _start(root, scores, *sizes, launcher=(sys.executable,))
    deadline = time.monotonic() + 180
    pattern = ".s.jsonl.drop/*/0_of_1/tmp_*.jsonl"
    while not (journals := [path for path in tmp_path.glob(pattern) if path.read_bytes()]):
        assert process.poll() is None, process.stderr
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert read_scores(scores) == []
    (journal,) = journals
    kept = journal.read_text(encoding="utf-8").splitlines()
    assert 0 < len(kept) < 10
    first = json.loads(kept[0])
    changed = {**first, "prediction": "Answer: d"}
    # What was kept is used: with a right answer put in, and the last line cut as by the kill.
    journal.write_text(json.dumps(changed) + "\n" + kept[0][:40], encoding="utf-8")
    (row,) = measure(root, scores, "--models", root / "average", *sizes)
    (whole,) = measure(root, tmp_path / "whole.jsonl", "--models", root / "average", *sizes)
    was_right = "d" in first["prediction"].lower()
    assert row.value == whole.value + (0 if was_right else 10)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--models", "before"), "--eval_data is missing"),
        (("--models", "before", "--eval_data", "none"), "--eval_data none: no such folder; build it with"),
        (("--models", "before", "--eval_data", "."), "there is no data/drop_simple_eval/dev.jsonl; build it"),
        (
            ("--models", "before", "--eval_data", "eval", "--batch_size", "auto"),
            "auto: OpenCompass",
        ),
        (("--models", "before", "--limit", "0"), "--limit 0: give 1 or more"),
        (("--eval_data", "eval"), "nothing to measure"),
    ],
)
def test_mistakes_get_one_line(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "before").symlink_to(root / "before")
    (tmp_path / "eval").symlink_to(root / "eval")
    assert said in complaint(capsys, main, "--scores", "s.jsonl", *options)
    assert not (tmp_path / "s.jsonl").exists()
