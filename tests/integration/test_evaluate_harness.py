"""python -m ama.evaluate_harness: the numbers of lm-eval's own command line, for files and for averages."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from lm_eval.tasks._index import TaskIndex
from support.call import call, complaint
from support.command import interpolate
from support.eval_rows import rows as read_rows
from support.evaluating import lm_eval_numbers, make_eval_data, make_reader
from support.tiny import make_llama, make_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from ama.evaluate_harness import main
from ama.evaluation.scores import LIKELIHOOD, Score, read_scores
from ama.evaluation.subject import Subject

pytestmark = pytest.mark.slow

TASKS = ("arc_easy", "arc_challenge", "race", "boolq", "piqa", "squadv2", "drop", "wmt14-fr-en")
GROUPS = {"squadv2": "reading", "drop": "reading", "wmt14-fr-en": "translation"}
TASK_INDEX = TaskIndex.build
PROMPT = "include: {stock}\ntask: short_piqa\ndoc_to_text: '{{{{goal}}}} How?'\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with before, after and their average, and eval, the folder of evaluation sets."""
    root = tmp_path_factory.mktemp("root")
    make_eval_data(root)
    pair = make_reader(root / "before", 1), make_reader(root / "after", 2)
    interpolate(*pair, root / "average", "--alpha", "0.3")
    found = cache(TASK_INDEX)
    with pytest.MonkeyPatch.context() as patched:
        # lm-eval reads thousands of files of tasks each time.
        patched.setattr(TaskIndex, "build", staticmethod(lambda paths: found(tuple(paths))))
        # The command sets these for its process: undone at the end.
        patched.setenv("HF_HUB_OFFLINE", "1")
        patched.setenv("HF_DATASETS_OFFLINE", "1")
        patched.setattr("datasets.config.HF_DATASETS_CACHE", root / "cache")
        patched.setattr("evaluate.config.HF_METRICS_CACHE", root / "cache")
        yield root


def measure(root: Path, scores: Path, *arguments: str | Path) -> list[Score]:
    """Return the rows that a run appends."""
    known = len(read_scores(scores))
    call(main, *arguments, "--eval_data", root / "eval", "--scores", scores)
    return read_scores(scores)[known:]


def numbers(rows: list[Score]) -> dict[tuple[str, str], tuple[float, float | None]]:
    return {(row.task, row.metric): (row.value, row.stderr) for row in rows}


@pytest.fixture(scope="module")
def average(root: Path) -> list[Score]:
    """The rows of the average that was written."""
    options = ("--models", root / "average", "--tasks", *TASKS, "--batch_size", "1")
    return measure(root, root / "average.jsonl", *options)


def test_rows_are_the_numbers_of_lm_evals_command_line(
    root: Path, average: list[Score], tmp_path: Path
) -> None:
    theirs = lm_eval_numbers(root / "average", TASKS, root / "eval", tmp_path, "--batch_size", "1")
    ours = numbers([row for row in average if row.metric != LIKELIHOOD])
    assert ours.keys() == theirs.keys()
    for key, (value, stderr) in theirs.items():
        assert ours[key][0] == value, key
        # lm-eval has no standard errors for SQuAD.
        assert ours[key][1] == stderr or key[0] == "squadv2", key
    assert len({value for value, _ in ours.values()}) > 5
    assert {row.task: row.group for row in average if row.metric != LIKELIHOOD} == {
        task: GROUPS.get(task, "common_sense") for task in TASKS
    }
    assert {row.n for row in average if row.task == "arc_easy"} == {6}
    assert {row.metric: row.n for row in average if row.task == "squadv2"}["NoAns_f1"] == 3
    assert {row.schedule for row in average} == {"0.3"}


def _by_hand(folder: Path, prompt: str, answer: str) -> float:
    """Return exp(mean log-probability) of the answer's tokens, by transformers."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([tokenizer.encode(prompt + answer)])
    with torch.inference_mode():
        logs = model(ids).logits[0, :-1].log_softmax(dim=-1)
    each = logs.gather(1, ids[0, 1:, None])[:, 0]
    return float(each[len(tokenizer.encode(prompt)) - 1 :].mean().exp())


def _asked(data: Path, task: str) -> list[tuple[str, str]]:
    """Return prompt and right answer of every item, as the stock task lays them out."""
    if task == "arc_easy":
        return [
            (
                f"Question: {row['question']}\nAnswer:",
                f" {choices['text'][choices['label'].index(row['answerKey'])]}",
            )
            for row in read_rows(data / "allenai/ai2_arc/ARC-Easy/test.jsonl")
            for choices in [row["choices"]]
        ]
    if task == "boolq":
        return [
            (f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:", (" no", " yes")[row["label"]])
            for row in read_rows(next((data / "aps/super_glue").rglob("validation.jsonl")))
        ]
    if task == "squadv2":
        return [
            (
                f"Title: {row['title']}\n\nBackground: {row['context']}\n\n"
                f"Question: {row['question']}\n\nAnswer:",
                f" {(row['answers']['text'] or ['unanswerable'])[0]}",
            )
            for row in read_rows(next((data / "lighteval/squad_v2").rglob("validation.jsonl")))
        ]
    pairs = [row["translation"] for row in read_rows(next((data / "wmt/wmt14").rglob("test.jsonl")))]
    return [(f"French phrase: {pair['fr']}\nEnglish phrase:", f" {pair['en']}") for pair in pairs]


@pytest.mark.parametrize("task", ["arc_easy", "boolq", "squadv2", "wmt14-fr-en"])
def test_the_likelihood_is_that_of_the_right_answers_by_hand(
    root: Path, average: list[Score], task: str
) -> None:
    (row,) = [row for row in average if (row.task, row.metric) == (task, LIKELIHOOD)]
    expected = [_by_hand(root / "average", *pair) for pair in _asked(root / "eval", task)]
    assert row.group == LIKELIHOOD
    assert row.n == len(expected) > 1
    assert row.value == pytest.approx(np.mean(expected), rel=1e-5)
    assert row.stderr == pytest.approx(np.std(expected, ddof=1) / len(expected) ** 0.5, rel=1e-4)


def test_drop_whose_references_are_lists_has_no_likelihood(average: list[Score]) -> None:
    assert {row.task for row in average if row.metric == LIKELIHOOD} == {*TASKS} - {"drop"}


def test_another_folder_of_data_has_its_own_rows(root: Path, average: list[Score], tmp_path: Path) -> None:
    other = make_eval_data(tmp_path, 4)
    options = ("--models", root / "average", "--tasks", "arc_easy", "wmt14-fr-en", "--eval_data", other)
    call(main, *options, "--scores", tmp_path / "s.jsonl")
    assert {row.n for row in read_scores(tmp_path / "s.jsonl")} == {4}
    assert {row.n for row in average if row.task == "arc_easy"} == {6}


def test_an_average_in_memory_measures_as_the_written_one(
    root: Path, average: list[Score], tmp_path: Path
) -> None:
    pair = ("--before", root / "before", "--after", root / "after", "--schedule", "0.3", "0.5")
    tasks = ("arc_challenge", "race", "squadv2")
    rows = measure(root, tmp_path / "s.jsonl", *pair, "--tasks", *tasks, "--batch_size", "1")
    written = numbers([row for row in average if row.task in tasks])
    assert numbers([row for row in rows if row.schedule == "0.3"]) == written
    assert numbers([row for row in rows if row.schedule == "0.5"]) != written
    assert {row.model for row in rows} == {f"{root / 'before'} + {root / 'after'}"}


def test_shots_prompts_limit_and_seed_are_those_of_the_command_line(root: Path, tmp_path: Path) -> None:
    shared = ("--num_fewshot", "2", "--limit", "3", "--apply_chat_template", "--batch_size", "2")
    shared += ("--system_instruction", "Be brief.")
    theirs = lm_eval_numbers(root / "before", ["race"], root / "eval", tmp_path, *shared, "--seed", "5,5,5,5")
    options = ("--models", root / "before", "--tasks", "race", *shared)
    row, _ = measure(root, tmp_path / "s.jsonl", *options, "--seed", "5")
    assert theirs == {("race", "acc"): (row.value, row.stderr)}
    assert (row.n, row.seed) == (3, 5)
    expected = {"num_fewshot": 2, "limit": 3, "chat_template": True, "system_instruction": "Be brief."}
    assert row.settings.items() >= expected.items()
    for change in (("--seed", "6"), ("--seed", "5", "--limit", "2"), ("--seed", "5", "--num_fewshot", "1")):
        assert len(measure(root, tmp_path / "s.jsonl", *options, *change)) == 2


def test_a_task_of_ones_own(root: Path, tmp_path: Path) -> None:
    import lm_eval

    stock = Path(lm_eval.__file__).parent / "tasks" / "piqa" / "piqa.yaml"
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "short.yaml"
    path.write_text(PROMPT.format(stock=stock))
    options = ("--models", root / "before", "--tasks", "short_piqa", "--include_path", tmp_path / "own")
    rows = measure(root, tmp_path / "s.jsonl", *options)
    groups = [("other", "acc"), ("other", "acc_norm"), (LIKELIHOOD, LIKELIHOOD)]
    assert [(row.group, row.metric) for row in rows] == groups
    assert measure(root, tmp_path / "s.jsonl", *options) == []
    path.write_text(path.read_text().replace("How?", "Why?"))
    assert len(measure(root, tmp_path / "s.jsonl", *options)) == 3


def test_what_is_measured_is_not_measured_again(root: Path, tmp_path: Path) -> None:
    scores = tmp_path / "s.jsonl"
    options = ("--models", root / "before", root / "after", "--tasks", "piqa")
    rows = measure(root, scores, *options)
    assert len(rows) == 6
    with patch.object(Subject, "load", side_effect=AssertionError):
        assert measure(root, scores, *options) == []
    again = measure(root, scores, *options, "--rerun")
    assert numbers(again[:3]) == numbers(rows[:3])
    with scores.open("a") as file:
        file.write('{"model": "cut')
    added = measure(root, scores, "--models", root / "before", "--tasks", "piqa", "boolq")
    assert [(row.task, row.metric) for row in added] == [("boolq", "acc"), ("boolq", LIKELIHOOD)]


def _start(
    root: Path, scores: Path, *arguments: str, launcher: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    command = [
        *(launcher or (sys.executable,)),
        "-m",
        "ama.evaluate_harness",
        "--models",
        str(root / "before"),
    ]
    command += ["--eval_data", str(root / "eval"), "--scores", str(scores), *arguments]
    variables = {**os.environ, "HF_HOME": str(root / "home"), "ACCELERATE_USE_CPU": "1"}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)


def test_a_killed_run_goes_on_with_the_next_task(root: Path, tmp_path: Path) -> None:
    scores = tmp_path / "s.jsonl"
    process = _start(root, scores, "--tasks", "piqa", "squadv2", "race", "--batch_size", "1")
    deadline = time.monotonic() + 120
    while not scores.exists() or not scores.read_bytes():
        assert process.poll() is None, process.stderr
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    first = read_scores(scores)
    done = {row.task for row in first}
    assert "piqa" in done
    assert "race" not in done
    options = ("--models", root / "before", "--tasks", "piqa", "squadv2", "race")
    rest = measure(root, scores, *options, "--batch_size", "1")
    assert read_scores(scores)[: len(first)] == first
    assert {row.task for row in rest} == {"squadv2", "race"} - done
    whole = measure(root, tmp_path / "whole.jsonl", *options, "--batch_size", "1")
    assert numbers([*first, *rest]) == numbers(whole)


def test_two_processes_share_the_items(root: Path, tmp_path: Path) -> None:
    tasks = ("--tasks", "arc_easy", "squadv2", "race", "--batch_size", "1")
    launcher = ("torchrun", "--standalone", "--nproc_per_node", "2")
    process = _start(root, tmp_path / "two.jsonl", *tasks, launcher=launcher)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said[-3000:]
    two = read_scores(tmp_path / "two.jsonl")
    one = measure(root, tmp_path / "one.jsonl", "--models", root / "before", *tasks)
    assert [(row.task, row.metric, row.n) for row in two] == [(row.task, row.metric, row.n) for row in one]
    assert [row.value for row in two] == pytest.approx([row.value for row in one], rel=1e-12)
    errors = [[row.stderr or 0.0 for row in rows] for rows in (two, one)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-9)
    assert [row.key for row in two] == [row.key for row in one]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--models", "before", "--limit", "0"), "--limit 0: give 1 or more"),
        (
            ("--models", "before", "--batch_size", "none"),
            "--batch_size: 'none' is not a whole number or auto",
        ),
        (("--models", "before", "--num_fewshot", "-1"), "--num_fewshot"),
        (("--before", "before", "--after", "after"), "--schedule is missing"),
        (("--models", "gone"), "no such folder: gone"),
        (("--models", "before", "--tasks", "arc_esay"), "has no such task; do you mean arc_easy"),
        (("--models", "before", "--tasks", "nothing_like_it_at_all"), "has no such task"),
        (
            ("--models", "before", "--eval_data", "none"),
            "--eval_data none: no such folder; build it with `bash",
        ),
        (
            ("--models", "before", "--eval_data", "bare"),
            "there is no bare/allenai/ai2_arc/ARC-Easy/test.jsonl;",
        ),
        (("--models", "before", "--include_path", "none"), "--include_path none: no such folder"),
        (("--models", "broken", "--tasks", "piqa"), "broken: no model that transformers can load"),
        (("--models", "before", "--tasks", "piqa", "--engine", "vllm"), "--engine vllm needs vLLM"),
        (("--models", "before", "--tasks", "piqa", "--num_fewshot", "2"), "the examples of piqa are 1"),
        (("--models", "mute", "--tasks", "piqa", "--apply_chat_template"), "mute has no chat template"),
        (
            ("--before", "before", "--after", "after", "--schedule", "0.3", "--engine", "vllm"),
            "--engine vllm reads whole checkpoints, not before + after 0.3: merge it first",
        ),
        (("--models", "before", "--scores", "bare/text"), "bare/text: line 1: not JSON at character"),
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
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.chdir(tmp_path)
    for name in ("before", "after", "eval"):
        (tmp_path / name).symlink_to(root / name)
    for name in ("bare", "broken"):
        (tmp_path / name).mkdir()
    make_tokenizer(make_llama(tmp_path / "mute", 1))
    capsys.readouterr()
    (tmp_path / "bare" / "text").write_text("A text.\n")
    (tmp_path / "broken" / "config.json").write_text('{"model_type": "llama"}')
    line = complaint(capsys, main, "--scores", "s.jsonl", "--eval_data", "eval", *options)
    assert said in line
    assert not (tmp_path / "s.jsonl").exists()
    assert (tmp_path / "bare" / "text").read_text() == "A text.\n"


def test_a_folder_without_squads_metric(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "eval").symlink_to(root / "eval")
    bare = tmp_path / "bare"
    (bare / "lighteval").mkdir(parents=True)
    (bare / "lighteval" / "squad_v2").symlink_to(root / "eval" / "lighteval" / "squad_v2")
    options = ("--models", root / "before", "--tasks", "squadv2", "--eval_data", bare)
    line = complaint(capsys, main, "--scores", tmp_path / "s.jsonl", *options)
    assert f"the data of squadv2 are missing: there is no {bare}/squad_v2/squad_v2.py; build it" in line
