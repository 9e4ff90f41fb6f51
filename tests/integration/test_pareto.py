"""ama.pareto: averages measured in place, as their checkpoints would be, and what a sweep survives."""

import fcntl
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from lm_eval.tasks._index import TaskIndex
from support.call import call, complaint
from support.command import interpolate
from support.evaluating import make_eval_data, make_reader
from support.hosts import kill_all
from support.masking import save_judge
from support.tiny import make_llama

from ama import evaluate_harness, evaluate_loss, evaluate_reward, pareto
from ama.console import run
from ama.evaluation.items import read_items
from ama.evaluation.measures.reward.measure import RewardMeasure
from ama.evaluation.scores import Score, read_scores
from ama.evaluation.subject import Subject
from ama.evaluation.sweep.record import Sweep, read_sweep
from ama.models import load_tokenizer
from ama.report.sweep import sweep
from ama.settings.measures import LossSettings, RewardSettings

pytestmark = pytest.mark.slow

TASKS = ("arc_easy", "wmt14-fr-en")
REWARD = ("--max_new_tokens", "6", "--sample_batch", "8")
CURVES = ("--curve", "plain averaging", "0.3", "0.6", "--curve", "part-wise", "split|0|0.5|0.1@0.2")
TASK_INDEX = TaskIndex.build


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with before, after, judge, prompts and eval, the folder of evaluation sets."""
    root = tmp_path_factory.mktemp("root")
    make_eval_data(root)
    for seed, name in enumerate(("before", "after")):
        make_reader(root / name, seed + 1)
    reads = load_tokenizer(root / "before")
    reads.save_pretrained(save_judge(root / "judge", vocabulary=len(reads)))
    prompts = [{"text": f"###Human: what is {number}?###Assistant:"} for number in range(9)]
    (root / "prompts.json").write_text(json.dumps({"type": "text_only", "instances": prompts}))
    found = cache(TASK_INDEX)
    with pytest.MonkeyPatch.context() as patched:
        # lm-eval reads thousands of files of tasks each time.
        patched.setattr(TaskIndex, "build", staticmethod(lambda paths: found(tuple(paths))))
        # The command sets these for its process: undone at the end.
        patched.setenv("HF_HUB_OFFLINE", "1")
        patched.setenv("HF_DATASETS_OFFLINE", "1")
        yield root


def arguments(root: Path, out: Path, curves: tuple[str, ...] = CURVES) -> tuple[str, ...]:
    models = ("--before", str(root / "before"), "--after", str(root / "after"))
    harness = f"harness --tasks {' '.join(TASKS)} --eval_data {root / 'eval'}"
    reward = f"reward --reward_model {root / 'judge'} --prompts {root / 'prompts.json'} {' '.join(REWARD)}"
    return (*models, *curves, "--measure", harness, "--measure", reward, "--out", str(out))


def numbers(sweep: Sweep, scores: list[Score]) -> dict[tuple[str, str], float]:
    """Return what was measured by the schedule of the point and the measure."""
    rows = sweep.rows(scores)
    return {
        (point.schedule or f"parent {number}", measure.name): rows[point.weights, measure.name].value
        for number, point in enumerate(sweep.points)
        for measure in sweep.measures
        if (point.weights, measure.name) in rows
    }


def swept(out: Path) -> dict[tuple[str, str], float]:
    return numbers(read_sweep(out), read_scores(out / "scores.jsonl"))


@pytest.fixture(scope="module")
def whole(root: Path) -> Path:
    """A sweep that nothing has interrupted."""
    call(pareto.main, *arguments(root, root / "whole"))
    return root / "whole"


def test_a_point_has_the_numbers_of_its_checkpoint(root: Path, whole: Path, tmp_path: Path) -> None:
    written = tmp_path / "written"
    interpolate(root / "before", root / "after", written, "--alpha", "0.2", "--schedule", "split|0|0.5|0.1")
    models = ("--models", root / "before", root / "after", written, "--scores", tmp_path / "s.jsonl")
    call(evaluate_harness.main, *models, "--tasks", *TASKS, "--eval_data", root / "eval")
    places = ("--reward_model", root / "judge", "--prompts", root / "prompts.json")
    call(evaluate_reward.main, *models, *places, *REWARD)
    theirs = {
        (Path(row.model).name, f"{row.task} {row.metric}"): row.value
        for row in read_scores(tmp_path / "s.jsonl")
    }
    found = swept(whole)
    assert len(found) == 5 * 5
    names = {"parent 0": "before", "parent 1": "after", "split|0|0.5|0.1@0.2": "written"}
    for (schedule, measure), value in found.items():
        if schedule in names:
            assert value == theirs[names[schedule], measure], (schedule, measure)
    assert len({value for (_, measure), value in found.items() if measure == "prompts reward"}) == 5


def test_a_sweep_leaves_rows_items_and_its_points(whole: Path) -> None:
    sweep = read_sweep(whole)
    assert [point.curve for point in sweep.points] == ["", "", *["plain averaging"] * 2, "part-wise"]
    assert [(measure.group, measure.name) for measure in sweep.measures] == [
        ("common_sense", "arc_easy acc"),
        ("likelihood", "arc_easy likelihood"),
        ("translation", "wmt14-fr-en bleu"),
        ("likelihood", "wmt14-fr-en likelihood"),
        ("reward", "prompts reward"),
    ]
    assert sweep.points[0].mean == 1
    assert sweep.points[1].mean == 0
    assert sweep.points[2].mean == pytest.approx(0.3)
    layers = {"layer 0": 0.5, **dict.fromkeys(("layer 1", "layer 2", "layer 3"), 0.1)}
    parts = {"embedding": 0.5, **layers, "final norm": 0.2, "head": 0.2}
    assert sweep.points[4].ratios == pytest.approx(parts)
    assert not list(whole.rglob("*.safetensors"))
    rows = sweep.rows(read_scores(whole / "scores.jsonl"))
    assert len(rows) == 25
    for row in rows.values():
        items = read_items(whole / "scores.jsonl", row)
        assert items is not None
        assert len(items.rows) == row.n
        (value,) = items.values(np.ones((1, row.n)))
        assert value == pytest.approx(row.value)
        assert items.stderr() == pytest.approx(row.stderr)


def test_what_is_there_is_not_measured_again(root: Path, whole: Path) -> None:
    rows = (whole / "scores.jsonl").read_bytes()
    with patch.object(Subject, "load", side_effect=AssertionError):
        call(pareto.main, *arguments(root, whole))
    assert (whole / "scores.jsonl").read_bytes() == rows


def test_a_measure_that_fails_leaves_the_others(
    root: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = RewardMeasure.run

    def fail(measure: RewardMeasure, subject: Subject, opened: Path) -> object:
        if subject.schedule == "0.3":
            raise RuntimeError("out of luck\nand of memory")
        return honest(measure, subject, opened)

    argv = patch.object(sys, "argv", ["pareto", *arguments(root, tmp_path)])
    with patch.object(RewardMeasure, "run", fail), argv, pytest.raises(SystemExit) as exit_:
        run(pareto.main)
    assert exit_.value.code == 1
    assert "plain averaging 0.3: prompts failed: out of luck\n" in capsys.readouterr().err
    sweep = read_sweep(tmp_path)
    assert sweep.failures == {sweep.points[2].weights: {"prompts reward": "out of luck"}}
    assert len(swept(tmp_path)) == 24
    call(pareto.main, *arguments(root, tmp_path))
    assert swept(tmp_path) == swept(whole)
    assert not read_sweep(tmp_path).failures


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL)


def test_processes_share_the_points_and_a_kill_costs_one(root: Path, whole: Path, tmp_path: Path) -> None:
    command = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "ama.pareto"]
    process = _start([*command, *arguments(root, tmp_path)])
    scores = tmp_path / "scores.jsonl"
    while not (scores.exists() and scores.read_text().count("\n") > 3):
        assert process.poll() is None
        time.sleep(0.05)
    kill_all(process)
    known = scores.read_bytes()
    process = _start([*command, *arguments(root, tmp_path)])
    assert process.wait(timeout=300) == 0
    assert scores.read_bytes().startswith(known[: known.rfind(b"\n") + 1])
    assert swept(tmp_path) == swept(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curves": ()}, "no average to measure: give --curve"),
        ({"curves": ("--curve", "plain")}, "--curve 'plain' has no schedule"),
        ({"curves": ("--curve", "a", "0.1", "--curve", "a", "0.2")}, "a name of its own"),
        ({"curves": ("--curve", "a", "1.5")}, "outside [0, 1]"),
        ({"curves": ("--curve", "a", "split|7|0.1|0.2@0.1")}, "pivot 7 leaves no layer"),
        ({"curves": ("--curve", "a", "split|0|0.1|0.2@x")}, "ratio 'x' is no number"),
        ({"measures": ()}, "a front needs a reward and a skill, --measure names none"),
        ({"measures": ("harness --tasks piqa --eval_data {root}/eval",)}, "--measure names common_sense"),
        ({"measures": ("harnes --tasks piqa",)}, "there is no 'harnes', give harness, opencompass"),
        ({"measures": ("harness --tasks arc_hard --eval_data {root}/eval",)}, "no such task"),
        ({"measures": ("reward --reward_model {root}/judge",)}, "--prompts"),
        (
            {"measures": ("reward --engine vllm --reward_model a --prompts b",)},
            "vLLM reads whole checkpoints",
        ),
        ({"measures": ("harness 'x",)}, "no closing quotation"),
    ],
)
def test_a_mistake_is_one_line(
    change: dict[str, tuple[str, ...]],
    message: str,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = list(arguments(root, tmp_path / "out", change.get("curves", CURVES)))
    if "measures" in change:
        first = found.index("--measure")
        words = [word for text in change["measures"] for word in ("--measure", text.format(root=root))]
        found[first : first + 4] = words
    assert message in complaint(capsys, pareto.main, *found)
    assert not (tmp_path / "out" / "scores.jsonl").exists()


def test_models_that_do_not_fit(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_llama(tmp_path / "wide", 1, hidden_size=32)
    found = [*arguments(root, tmp_path / "out"), "--after", str(tmp_path / "wide")]
    assert "before" in complaint(capsys, pareto.main, *found)


def test_one_sweep_at_a_time(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another sweep writes to" in complaint(capsys, pareto.main, *arguments(root, tmp_path / "out"))


def test_a_folder_that_is_a_file(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("")
    assert "out" in complaint(capsys, pareto.main, *arguments(root, tmp_path / "out"))


def test_rows_of_earlier_versions_are_recognised(root: Path, whole: Path) -> None:
    """What decides whether a row counts as measured: as version 0.1.0 wrote it, key by key."""
    rows = {row.task: dict(row.settings) for row in read_scores(whole / "scores.jsonl")}
    for settings in rows.values():
        assert {"weights", "ratio"} <= settings.keys()
    harness, reward = rows["arc_easy"], rows["prompts"]
    drop = ("weights", "ratio", "data", "prompts", "reward_model_weights")
    assert {name: value for name, value in harness.items() if name not in drop} == {
        "num_fewshot": None,
        "limit": None,
        "chat_template": False,
        "system_instruction": None,
        "tasks": None,
        "dtype": "auto",
        "engine": "transformers",
        "bootstrap": 0,
    }
    assert {name: value for name, value in reward.items() if name not in drop} == {
        "samples": 1,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "max_new_tokens": 6,
        "batch": 8,
        "engine": "transformers",
        "dtype": "auto",
        "max_prompt_tokens": 256,
        "chat_template": False,
        "system": "",
        "reward_model": str(root / "judge"),
    }
    assert isinstance(reward["temperature"], float)
    assert len(harness["data"]) == len(reward["prompts"]) == 16


def test_a_sweep_from_python_shows_the_loss_beside_the_front(root: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "text.txt").write_text("Ann had 12 boats near a mill. " * 20)
    loss = LossSettings(data=(f"boats={tmp_path / 'text.txt'}",), block_size=32)
    sampling = {"max_new_tokens": 6, "sample_batch": 8}
    reward = RewardSettings(reward_model=str(root / "judge"), prompts=root / "prompts.json", **sampling)
    found = sweep(
        root / "before",
        root / "after",
        tmp_path / "out",
        curves={"plain averaging": [0.3, "0.6"]},
        measures=[f"harness --tasks {' '.join(TASKS)} --eval_data {root / 'eval'}", reward, loss],
    )
    assert found is not None
    assert not found.failures
    scores = read_scores(tmp_path / "out" / "scores.jsonl")
    known = read_scores(whole / "scores.jsonl")
    assert scores[: len(known)] == known
    assert [(row.task, row.metric) for row in scores[len(known) :]] == [
        ("boats", "loss"),
        ("boats", "perplexity"),
    ] * 4
    # The loss is a column of its own, and no part of a skill: it falls where a model is better.
    names = [column.name for column in found.front.columns]
    assert "boats loss" in names
    assert [column.name for column in found.front.columns if column.panel] == [
        "common_sense",
        "translation",
        "common_sense likelihood",
        "translation likelihood",
    ]
    place, row = found.front.points[2], scores[len(known) + 4]
    assert row.schedule == "0.3"
    assert place.scores["boats loss"].value == row.value
    items = read_items(tmp_path / "out" / "scores.jsonl", row)
    assert items is not None
    assert items.stderr() == pytest.approx(row.stderr)
    models = ("--models", root / "before", root / "after", "--scores", tmp_path / "s.jsonl")
    call(evaluate_loss.main, *models, "--data", *loss.data, "--block_size", "32")
    alone = [row.value for row in read_scores(tmp_path / "s.jsonl")]
    assert alone == [row.value for row in scores[len(known) : len(known) + 4]]
