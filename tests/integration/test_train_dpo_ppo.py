"""python -m ama.train_dpo and ama.train_ppo: the reward of held-out prompts rises; mistakes get one line."""

import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from support.call import call, complaint
from support.learning import crash_at
from support.polite import gain, rewards, trained_world, write
from support.tiny import load, same
from transformers import AutoTokenizer

from ama import train_dpo, train_ppo
from ama.training.ppo_rounds import RoundLines

DPO = ("--max_steps", "16", "--lr", "1e-3", "--batch", "16", "--micro_batch", "8")
PPO = ("--rollouts", "64", "--rounds", "6", "--batch", "32", "--lr", "1e-3", "--max_new_tokens", "8")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory.mktemp("world"))


def _dpo_arguments(world: Path, out: Path) -> list[str | Path]:
    return ["--model", world / "before", "--data", world / "pairs.json", "--out", out, *DPO]


def _dpo(world: Path, out: Path, *more: str) -> Path:
    call(train_dpo.main, *_dpo_arguments(world, out), *more)
    return out


def _ppo_arguments(world: Path, out: Path) -> list[str | Path]:
    models = ["--model", world / "before", "--reward_model", world / "judge"]
    return [*models, "--prompts", world / "prompts.json", "--out", out, *PPO]


def _ppo(world: Path, out: Path, *more: str) -> Path:
    call(train_ppo.main, *_ppo_arguments(world, out), *more)
    return out


def _distance(world: Path, out: Path) -> float:
    start, end = load(world / "before"), load(out)
    assert start.keys() == end.keys()
    return float(sum(((end[name] - start[name]) ** 2).sum() for name in start) ** 0.5)


@pytest.mark.parametrize("more", [(), ("--lora_r", "8", "--lr", "3e-3")])
def test_dpo_raises_the_reward_of_held_out_prompts(
    world: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    out = _dpo(world, tmp_path / "out", *more)
    assert gain(world, out) > 3
    record = json.loads((out / "training.json").read_text())
    losses = [line["loss"] for line in record["history"] if "loss" in line]
    assert losses[0] == pytest.approx(0.693, abs=0.02)
    assert losses[-1] < 0.6


@pytest.mark.slow
def test_a_larger_beta_stays_nearer(world: Path, tmp_path: Path) -> None:
    near, far = (_dpo(world, tmp_path / beta, "--beta", beta) for beta in ("3", "0.1"))
    assert _distance(world, near) < _distance(world, far)


@pytest.mark.slow
def test_a_resumed_dpo_ends_where_an_uninterrupted_one_does(world: Path, tmp_path: Path) -> None:
    whole = _dpo(world, tmp_path / "whole", "--save_steps", "4")
    with crash_at(7), pytest.raises(KeyboardInterrupt):
        _dpo(world, tmp_path / "out", "--save_steps", "4")
    out = _dpo(world, tmp_path / "out", "--save_steps", "4")
    assert same(out, whole)


@pytest.mark.slow
def test_ppo_raises_the_reward_of_held_out_prompts(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = _ppo(world, tmp_path / "out")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("round ")]
    assert len(lines) == 6
    assert lines[-1].startswith("round 6/6  reward ")
    assert gain(world, out) > 3
    assert AutoTokenizer.from_pretrained(out).padding_side == "right"
    assert not list(tmp_path.glob("*.work"))


@pytest.mark.slow
def test_a_resumed_ppo_ends_where_an_uninterrupted_one_does(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--save_steps", "2", "--rounds", "5", "--rollouts", "32", "--lora_r", "4")
    whole = _ppo(world, tmp_path / "whole", *more)
    report, out = RoundLines.on_log, tmp_path / "out"

    def cut(self: RoundLines, args: Any, state: Any, *others: Any, **logs: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt
        report(self, args, state, *others, **logs)

    with patch.object(RoundLines, "on_log", cut), pytest.raises(KeyboardInterrupt):
        _ppo(world, out, *more)
    assert not out.exists()
    assert [path.name for path in (tmp_path / "out.work").glob("checkpoint-*")] == ["checkpoint-2"]
    capsys.readouterr()
    _ppo(world, out, *more)
    lines = [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines[0].startswith("going on at step 2")
    assert [line for line in lines if line.startswith("round ")] == ["round 3/5", "round 4/5", "round 5/5"]
    assert same(out, whole)
    records = [json.loads((folder / "training.json").read_text())["history"] for folder in (out, whole)]
    assert [line["objective/scores"] for line in records[0]] == [
        line["objective/scores"] for line in records[1]
    ]
    assert not (tmp_path / "out.work").exists()


@pytest.mark.slow
def test_a_larger_kl_coefficient_stays_nearer(world: Path, tmp_path: Path) -> None:
    outs = [_ppo(world, tmp_path / coefficient, "--kl_coef", coefficient) for coefficient in ("5", "0")]
    kls = [json.loads((out / "training.json").read_text())["history"][-1]["objective/kl"] for out in outs]
    assert abs(kls[0]) < abs(kls[1])
    assert rewards(world, outs[0]).mean() < rewards(world, outs[1]).mean()


def test_ppo_with_adapters(world: Path, tmp_path: Path) -> None:
    out = _ppo(world, tmp_path / "out", "--lora_r", "8", "--lora_modules", "mlp", "--rounds", "2")
    start, end = load(world / "before"), load(out)
    assert {name.split(".")[3] for name in start if not torch.equal(start[name], end[name])} == {"mlp"}


def test_mistakes_of_dpo(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(*more: str | Path) -> str:
        return complaint(capsys, train_dpo.main, *_dpo_arguments(world, tmp_path / "out"), *more)

    assert "--beta 0.0: give a number above 0" in say("--beta", "0")
    assert "no training pair has at most 3 tokens" in say("--max_length", "3")
    equal = [{"prompt": "w1", "chosen": " no", "rejected": " no"}]
    write(tmp_path / "equal.json", "paired_text_to_text", equal)
    assert "'chosen' and 'rejected' are equal" in say("--data", tmp_path / "equal.json")
    assert not (tmp_path / "out").exists()


def _add_word(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"]["more"] = len(content["model"]["vocab"])
    path.write_text(json.dumps(content))


def test_mistakes_of_ppo(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(*more: str | Path) -> str:
        return complaint(capsys, train_ppo.main, *_ppo_arguments(world, tmp_path / "out"), *more)

    assert "96 prompts are fewer than the 128 rollouts of a round" in say("--rollouts", "128")
    assert "rollouts 64, batch 24, 1 processes: each must be a multiple" in say("--batch", "24")
    assert "is more than the model's context of 64" in say("--max_new_tokens", "60")
    assert "--micro_batch: PPO takes a process's share" in say("--micro_batch", "4")
    assert "--kl_coef -1.0: give 0 or more" in say("--kl_coef", "-1")
    shutil.copytree(world / "judge", tmp_path / "other")
    _add_word(tmp_path / "other")
    assert "(25 tokens) and of the reward model" in say("--reward_model", tmp_path / "other")
    assert not (tmp_path / "out").exists()
