"""python -m ama.train_sft and ama.train_reward: they learn, go on after a crash, and save whole or not."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from support.call import call, complaint
from support.learning import crash_at
from support.polite import train_judge, trained_world, write
from support.tiny import load, same
from transformers import AutoModelForCausalLM

from ama import train_reward, train_sft
from ama.data.labelled_blocks import IGNORED
from ama.data.pairs import Pair
from ama.data.samples import Sample
from ama.models import load_reward_model, load_tokenizer
from ama.settings.samples import LossOn
from ama.settings.training import SftSettings
from ama.training.reward_model import Accuracy, hold_out
from ama.training.sft import sft_rows

SHORT = ("--block_size", "32", "--batch", "8", "--micro_batch", "4", "--max_steps", "6", "--lr", "1e-2")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory.mktemp("world"), judge=False)


def _arguments(world: Path, out: Path, data: str = "sft.json") -> list[str | Path]:
    return ["--model", world / "before", "--data", world / data, "--out", out]


def _sft(world: Path, out: Path, *more: str) -> Path:
    call(train_sft.main, *_arguments(world, out), *SHORT, *more)
    return out


def test_sft_learns_and_keeps_a_record(world: Path) -> None:
    record = json.loads((world / "before" / "training.json").read_text())
    losses = [line["loss"] for line in record["history"] if "loss" in line]
    assert losses[-1] < losses[0] - 0.5
    assert record["run"]["lr"] == 0.01
    assert record["versions"]["trl"]
    # It was trained where all tests find it, on the same data.
    data = Path(record["settings"]["data"])
    assert data.name == "sft.json"
    assert data.read_bytes() == (world / "sft.json").read_bytes()
    assert record["settings"]["beta2"] == record["run"]["beta2"] == 0.999
    assert AutoModelForCausalLM.from_pretrained(world / "before").config.eos_token_id == 1
    assert not list(world.glob("*.work"))


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = _sft(world, tmp_path / "whole", "--save_steps", "2")
    out = tmp_path / "out"
    with crash_at(4), pytest.raises(KeyboardInterrupt):
        _sft(world, out, "--save_steps", "2")
    assert not out.exists()
    capsys.readouterr()
    line = complaint(capsys, train_sft.main, *_arguments(world, out), *SHORT, "--lr", "1e-5")
    assert "out.work holds an unfinished training with lr 0.01, now 1e-05" in line
    _sft(world, out, "--save_steps", "2")
    assert "going on at step 2" in capsys.readouterr().err
    assert same(out, whole)
    assert not (tmp_path / "out.work").exists()


def test_lora_changes_the_maps_that_it_is_asked_for_in_as_many_directions_as_its_rank(
    world: Path, tmp_path: Path
) -> None:
    rank = 3
    out = _sft(world, tmp_path / "out", "--lora_r", str(rank), "--lora_modules", "mlp", "--pack")
    start, end = load(world / "before"), load(out)
    assert start.keys() == end.keys()
    adapted = {name for name in start if ".mlp." in name}
    assert len(adapted) == 6
    for name in start:
        if name not in adapted:
            assert torch.equal(start[name], end[name]), name
            continue
        spread = torch.linalg.svdvals(end[name].double() - start[name].double())
        # What is left beyond the rank is the rounding of the merged weights.
        rounding = torch.finfo(torch.float32).eps * torch.linalg.svdvals(end[name].double())[0]
        assert spread[0] > 100 * rounding, name
        assert spread[rank] < rounding, name


def test_rows_are_labelled_cut_and_dropped(world: Path) -> None:
    tokenizer = load_tokenizer(world / "before")
    samples = [
        Sample("###Human: w1 ###Assistant:", " no w2"),
        Sample("###Human: w1 w2 w3 w4 ###Assistant:", " no"),
    ]
    rows = sft_rows(tokenizer, samples, SftSettings(block_size=5, loss_on=LossOn.RESPONSE))
    ids = tokenizer("###Human: w1 ###Assistant: no w2")["input_ids"]
    assert rows == [{"input_ids": ids, "labels": [IGNORED] * 3 + ids[3:]}]
    whole = sft_rows(tokenizer, samples, SftSettings(block_size=6))
    assert whole[0] == {"input_ids": [*ids, 1], "labels": [*ids, 1]}
    assert len(whole[1]["input_ids"]) == 6


def test_the_reward_model_prefers_held_out_polite_replies(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = train_judge(world)
    accuracy = json.loads((judge / "training.json").read_text())["accuracy"]
    assert accuracy["value"] >= 0.9
    assert accuracy["low"] > 0.9
    assert 100 < accuracy["pairs"] < 160
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"accuracy on {accuracy['pairs']} held-out pairs: ")
    assert load_reward_model(judge).config.num_labels == 1


def test_a_reward_model_by_adapters_keeps_its_head(world: Path, tmp_path: Path) -> None:
    sizes = ("--batch", "16", "--micro_batch", "16", "--held_out", "0.3", "--lora_r", "8")
    call(
        train_reward.main,
        *_arguments(world, tmp_path / "out", "pairs.json"),
        *sizes,
        "--max_steps",
        "40",
        "--lr",
        "1e-2",
    )
    assert json.loads((tmp_path / "out" / "training.json").read_text())["accuracy"]["value"] >= 0.9


def test_wilsons_interval() -> None:
    accuracy = Accuracy.of(80, 100)
    assert (accuracy.value, accuracy.low, accuracy.high) == pytest.approx((0.8, 0.7112, 0.8666), abs=1e-4)
    assert Accuracy.of(10, 10).high == pytest.approx(1)


def test_no_prompt_is_trained_and_measured_on() -> None:
    pairs = [Pair(f"p{i % 10}", "a", f"b{i}") for i in range(40)]
    train, held_out = hold_out(pairs, 0.2, 0)
    assert len(held_out) == 8
    assert {pair.prompt for pair in train}.isdisjoint({pair.prompt for pair in held_out})


BAD_SFT = {
    "batch": (("--batch", "6"), "share of the batch, 6, is no multiple of micro_batch 4"),
    "modules": (("--lora_r", "2", "--lora_modules", "x_proj"), "lora_modules 'x_proj' is in no linear map"),
    "rank": (("--lora_r", "0"), "--lora_r 0: give 1 or more"),
    "block": (("--block_size", "65"), "block_size 65 is longer than the model's context of 64 tokens"),
    "short": (
        ("--block_size", "2", "--loss_on", "response"),
        "no sample has a token to learn within block_size 2",
    ),
    "data": (("--data", "nowhere.json"), "data set nowhere.json is missing"),
    "model": (("--model", "nowhere"), "nowhere: not a model folder (no config.json)"),
    "deepspeed": (("--deepspeed", "nowhere"), "No such file or directory: nowhere"),
    "lr": (("--lr", "0"), "--lr 0.0: give a number above 0"),
}


@pytest.mark.parametrize("case", BAD_SFT)
def test_mistakes_of_sft(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    more, said = BAD_SFT[case]
    arguments = _arguments(world, tmp_path / "out")
    assert said in complaint(capsys, train_sft.main, *arguments, *SHORT, *more)
    assert not list(tmp_path.glob("out*"))


def _no_end(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "eos_token": None, "pad_token": None}))


def test_mistakes_of_the_reward_model(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(*more: str | Path) -> str:
        arguments = _arguments(world, tmp_path / "out", "pairs.json")
        return complaint(capsys, train_reward.main, *arguments, *more)

    assert "--held_out 2.0: give a number in (0, 1)" in say("--held_out", "2")
    assert "no training pair has at most 2 tokens" in say("--max_length", "2")
    write(tmp_path / "one.json", "paired_text_to_text", [{"prompt": "w1", "chosen": " a", "rejected": " b"}])
    assert "of 1 prompts leaves nothing on one side: give --eval_data" in say("--data", tmp_path / "one.json")
    write(tmp_path / "bad.json", "paired_text_to_text", [{"prompt": "w1", "chosen": " a"}])
    assert "bad.json: instance 0: needs text under 'rejected'" in say("--data", tmp_path / "bad.json")
    shutil.copytree(world / "before", tmp_path / "endless")
    _no_end(tmp_path / "endless")
    assert "has neither a padding nor an end-of-text token" in say("--model", tmp_path / "endless")
