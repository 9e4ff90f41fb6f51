"""python -m ama.train_raft: the reward rises, a killed run goes on to the same end, filters filter."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from support import warm
from support.call import call, complaint
from support.polite import gain, trained_world, write
from support.tiny import same

from ama import optimize_masks, train_raft
from ama.data.samples import Sample, read_samples
from ama.errors import UserError
from ama.sampling.journal import Journal
from ama.sampling.prompts import read_prompts
from ama.sampling.rollout import rollout
from ama.settings.sampling import SamplingSettings
from ama.settings.training import Keep, SelectionSettings
from ama.training.prompts import prompts_of
from ama.training.selection import collect, repetition, select


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory.mktemp("world"))


def _arguments(world: Path, out: Path, *more: str) -> list[str]:
    places = ["--model", str(world / "before"), "--reward_model", str(world / "judge")]
    places += ["--prompts", str(world / "prompts.json"), "--out", str(out)]
    sizes = ["--iterations", "2", "--prompts_per_iteration", "48", "--samples", "4", "--max_new_tokens", "8"]
    sizes += ["--lr", "3e-3", "--block_size", "32", "--batch", "16", "--micro_batch", "16"]
    return [*places, *sizes, "--pool", "60", "--collected", "20", *more]


def _raft(world: Path, out: Path, *more: str) -> Path:
    call(train_raft.main, *_arguments(world, out, *more))
    return out


def _summary(folder: Path, name: str = "summary.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text())
    return content


@pytest.fixture(scope="module")
def run(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _raft(world, tmp_path_factory.mktemp("raft") / "out")


@pytest.mark.slow
def test_the_reward_of_held_out_prompts_rises(world: Path, run: Path) -> None:
    assert gain(world, run / "iteration_02" / "model") > 3


@pytest.mark.slow
def test_every_iteration_is_kept(world: Path, run: Path) -> None:
    first, second = (_summary(run / f"iteration_0{number}") for number in (1, 2))
    last = _summary(run / "iteration_02", "collected_summary.json")
    assert first["mean_reward"] < second["mean_reward"] < last["mean_reward"]
    assert first["mean_reward_of_kept"] > first["mean_reward"] + 3 * first["stderr"]
    assert (first["samples"], first["model"]) == (192, str(world / "before"))
    selected = read_samples(run / "iteration_01" / "selected.json")
    assert len(selected) == first["kept"] == first["prompts"]
    mean = sum(sample.reward or 0.0 for sample in selected) / len(selected)
    assert mean == pytest.approx(first["mean_reward_of_kept"])
    names = {path.name for path in (run / "iteration_02").iterdir()}
    assert names == {"selected.json", "summary.json", "model", "collected.json", "collected_summary.json"}


@pytest.mark.slow
def test_the_collected_samples_train_ratios(world: Path, run: Path, tmp_path: Path) -> None:
    collected = run / "iteration_02" / "collected.json"
    samples = read_samples(collected)
    assert len(samples) == 20
    assert all(sample.prompt.startswith("###Human:") and sample.reward is not None for sample in samples)
    models = ("--before", world / "before", "--after", run / "iteration_02" / "model")
    sizes = ("--block_size", "16", "--max_steps", "2", "--mask_level", "block2")
    places = ("--dataset_path", collected, "--output_dir", tmp_path / "masks")
    call(optimize_masks.main, *models, *places, *sizes)
    assert (tmp_path / "masks" / "mask_alphas.bin").is_file()


@pytest.mark.slow
def test_fewer_iterations_stop_early_and_more_go_on(world: Path, run: Path, tmp_path: Path) -> None:
    out = _raft(world, tmp_path / "out", "--iterations", "1")
    assert not (out / "iteration_02").exists()
    # The end of a run of one iteration is the first iteration of a run of two, to the bit.
    short, long = out / "iteration_01", run / "iteration_01"
    assert (short / "collected.json").is_file()
    assert not (long / "collected.json").exists()
    for name in ("selected.json", *(f"model/{path.name}" for path in (long / "model").iterdir())):
        if name != "model/training.json":  # has the seconds and the folder
            assert (short / name).read_bytes() == (long / name).read_bytes(), name
    _raft(world, out)
    assert same(out / "iteration_02" / "model", run / "iteration_02" / "model")


def _start(world: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [warm.python(), "-m", "ama.train_raft", *_arguments(world, out, *SLOWLY)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=warm.variables())


def _kill_when(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.stderr.read() if process.stderr else None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    warm.kill(process.pid)
    process.wait()


SLOWLY = ("--sample_batch", "8", "--save_steps", "1")


@pytest.mark.slow
def test_a_run_killed_in_sampling_and_in_training_ends_as_an_uninterrupted_one(
    world: Path, tmp_path: Path
) -> None:
    whole = _raft(world, tmp_path / "whole", *SLOWLY)
    out = tmp_path / "out"
    journal = out / "iteration_01" / "sampling" / "replies.0.jsonl"
    line = random.Random().randint(2, 20)
    _kill_when(_start(world, out), lambda: journal.exists() and len(journal.read_text().splitlines()) > line)
    assert not (out / "iteration_01" / "summary.json").exists()
    step = random.Random().randint(1, 4)
    checkpoint = out / "iteration_02" / "model.work" / f"checkpoint-{step}"
    _kill_when(_start(world, out), checkpoint.exists)
    assert not (out / "iteration_02" / "model").exists()
    assert _start(world, out).wait(120) == 0
    assert same(out / "iteration_02" / "model", whole / "iteration_02" / "model")
    for name in ("iteration_01/selected.json", "iteration_02/selected.json", "iteration_02/collected.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(path.name for path in (out / "iteration_02").iterdir()) == sorted(
        path.name for path in (whole / "iteration_02").iterdir()
    )


def test_a_journal_leaves_out_a_line_that_was_cut_short(tmp_path: Path) -> None:
    journal: Journal[str] = Journal(tmp_path, "replies")
    journal.writer()(3, ["a\n", "ö"])
    with (tmp_path / "replies.0.jsonl").open("a") as file:
        file.write('\n[4, ["half')
    assert journal.read() == {3: ["a\n", "ö"]}
    journal.writer()(4, ["whole"])
    assert journal.read() == {3: ["a\n", "ö"], 4: ["whole"]}


SAMPLES = [
    Sample("p1", " good reply", 1.0),
    Sample("p1", " better # reply", 3.0),
    Sample("p2", " a", 9.0),
    Sample("p2", " so so so so so so so", 8.0),
    Sample("p2", " poor reply", -1.0),
    Sample("p1", " fair reply", 2.0),
]


def test_the_best_of_each_prompt_that_passes_the_filters() -> None:
    chosen = select(SAMPLES, SelectionSettings())
    assert [sample.reply for sample in chosen.samples] == [" fair reply", " poor reply"]
    assert chosen.dropped == {"with '#'": 1, "too short": 1, "repetitive": 1}


def test_the_top_share_of_all() -> None:
    chosen = select(SAMPLES, SelectionSettings(keep=Keep.TOP_SHARE, top_share=1 / 3))
    assert [sample.reward for sample in chosen.samples] == [1.0, 2.0]


def test_filters_can_be_turned_off() -> None:
    settings = SelectionSettings(min_characters=0, forbidden="", max_repetition=1)
    assert [sample.reward for sample in select(SAMPLES, settings).samples] == [3.0, 9.0]


def test_repetition_is_the_share_of_windows_seen_before() -> None:
    assert repetition("a b") == 0
    assert repetition("a b c a b c") == pytest.approx(1 / 4)
    assert repetition("a a a a a") == pytest.approx(2 / 3)


def test_no_sample_left_is_an_error() -> None:
    with pytest.raises(UserError, match="no sample passes the filters \\(1 too short\\)"):
        select([Sample("p", "", 1.0)], SelectionSettings())


def test_collected_samples_are_drawn_from_the_highest() -> None:
    samples = [Sample("p", f"r{i}", float(i)) for i in range(50)]
    drawn = collect(samples, 10, 4, seed=1)
    assert len({sample.reply for sample in drawn}) == 4
    assert all(sample.reward is not None and sample.reward >= 40 for sample in drawn)
    assert collect(samples, 10, 4, seed=1) == drawn != collect(samples, 10, 4, seed=2)
    assert len(collect(samples[:3], 10, 4, seed=1)) == 3


def test_iterations_go_through_the_prompts_before_one_comes_again() -> None:
    prompts = [str(i) for i in range(10)]
    parts = [prompts_of(prompts, 4, number, seed=2) for number in range(5)]
    taken = [prompt for part in parts for prompt in part]
    assert sorted(taken[:10], key=int) == sorted(taken[10:], key=int) == prompts
    assert taken[:10] != taken[10:]
    assert sorted(prompts_of(prompts, 99, 3, seed=2), key=int) == prompts


def test_long_prompts_are_left_out(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prompts.json"
    texts = ["###Human: w1 ###Assistant:", "###Human: w1 w2 w3 w4 ###Assistant:"]
    write(path, "text_only", [{"text": text} for text in texts])
    assert read_prompts(path, world / "before", 4) == texts[:1]
    assert "1 of 2 prompts have more than 4 tokens: left out" in capsys.readouterr().err
    with pytest.raises(UserError, match="no prompt has at most 2 tokens"):
        read_prompts(path, world / "before", 2)
    write(path, "text_only", [{"text": "w1"}])
    with pytest.raises(UserError, match="instance 0 has no prompt: end it with ###Assistant:"):
        read_prompts(path, world / "before", 9)


@pytest.mark.slow
def test_another_run_is_not_continued(world: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, train_raft.main, *_arguments(world, run, "--lr", "1e-3"))
    assert "holds an unfinished training with lr 0.003, now 0.001" in line


BAD = {
    "reward model": (("--reward_model", "nowhere"), "nowhere: not a model folder (no config.json)"),
    "outputs": (("--reward_model", "{before}"), "is a language model (LlamaForCausalLM), no reward model"),
    "prompts": (("--prompts", "nowhere.json"), "data set nowhere.json is missing"),
    "context": (("--max_new_tokens", "64"), "is more than the model's context of 64: leave it out"),
    "share": (("--top_share", "2"), "--top_share 2.0: give a number in (0, 1]"),
    "vllm": (("--engine", "vllm"), "--engine vllm needs vLLM"),
    "filters": (("--min_characters", "99"), "no sample passes the filters"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    more, said = BAD[case]
    changed = [part.format(before=world / "before") for part in more]
    with patch("ama.sampling.rollout._progress", lambda what, note, batches: note):
        line = complaint(capsys, train_raft.main, *_arguments(world, tmp_path / "out", *changed))
    assert said in line
    assert not list(tmp_path.rglob("summary.json"))


def test_vllm_is_asked_for_what_the_settings_say(world: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    class Engine:
        def __init__(self, **options: Any) -> None:
            asked["model"] = options["model"]

        def generate(self, prompts: list[str], parameters: Any, use_tqdm: bool) -> list[Any]:
            asked.update(parameters)
            replies = [SimpleNamespace(text=f" gladly w{i} ###Human: w1") for i in range(parameters["n"])]
            return [SimpleNamespace(outputs=replies) for _ in prompts]

    fake = SimpleNamespace(LLM=Engine, SamplingParams=dict)
    settings = SamplingSettings(samples=2, top_p=0.9, max_new_tokens=7, engine="vllm")
    with patch.dict(sys.modules, {"vllm": fake}):
        samples = rollout(
            world / "before", world / "judge", ["###Human: w1 ###Assistant:"], settings, tmp_path
        )
    assert [sample.reply for sample in samples] == [" gladly w0", " gladly w1"]
    assert all(sample.reward is not None for sample in samples)
    assert (asked["n"], asked["top_k"], asked["top_p"], asked["max_tokens"]) == (2, -1, 0.9, 7)
    assert asked["model"] == str(world / "before")
