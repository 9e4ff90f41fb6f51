"""python -m ama.finetune: it learns, goes on after a crash as if nothing had been, and saves whole or not."""

from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from support.call import call, complaint
from support.learning import OTHER, crash_at, make_learner, write_text
from support.tiny import load, same
from transformers import AutoModelForCausalLM, AutoTokenizer

from ama.data import pack
from ama.data.labelled_blocks import IGNORED
from ama.errors import UserError
from ama.evaluation.measures.loss import measure_loss
from ama.finetune import main
from ama.models import load_model, load_tokenizer
from ama.settings.training import TrainingSettings
from ama.training.sft import train_rows

SETTINGS = ("--block_size", "16", "--batch", "4", "--max_steps", "8", "--lr", "1e-2")


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_learner(tmp_path_factory.mktemp("learner") / "model")


def _train(model: Path, out: Path, *more: str, text: str | None = None) -> Path:
    path = write_text(out.parent) if text is None else write_text(out.parent, "text.txt", text)
    call(main, "--model", model, "--data", path, "--out", out, *SETTINGS, *more)
    return out


def _loss(folder: Path, text: str) -> float:
    blocks = pack([text], AutoTokenizer.from_pretrained(folder), 16)
    return measure_loss(AutoModelForCausalLM.from_pretrained(folder), blocks, 8).mean


def test_the_loss_falls_and_the_result_loads(
    learner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = _train(learner, tmp_path / "out", "--max_steps", "40", text=OTHER)
    assert _loss(out, OTHER) < 0.5 * _loss(learner, OTHER)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("step 4/40  loss ")
    assert lines[-1].endswith(" 0 s left")
    assert AutoTokenizer.from_pretrained(out).decode([4, 5]) == "the model"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "text.txt"]


def test_the_seed_decides(learner: Path, tmp_path: Path) -> None:
    first = _train(learner, tmp_path / "first", "--from_scratch", "--seed", "3")
    again = _train(learner, tmp_path / "again", "--from_scratch", "--seed", "3")
    other = _train(learner, tmp_path / "other", "--from_scratch", "--seed", "4")
    assert same(first, again)
    assert not same(first, other)


def test_labels_say_which_tokens_count(learner: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(learner)
    blocks = pack([OTHER], tokenizer, 16)
    settings = TrainingSettings(lr=1e-2, max_steps=3, batch=4)
    ids = blocks.tolist()
    # Where one token alone is learned, nothing holds it back after the other words.
    wanted = tokenizer.convert_tokens_to_ids("RLHF")
    only = torch.where(blocks == wanted, blocks, IGNORED)
    for name, labels in (("plain", ids), ("only", only.tolist())):
        rows = [{"input_ids": row, "labels": marks} for row, marks in zip(ids, labels, strict=True)]
        train_rows(learner, rows, tmp_path / name, settings, block_size=16)
    command = ("--batch", "4", "--max_steps", "3", "--save_steps", "500")
    assert same(tmp_path / "plain", _train(learner, tmp_path / "all", *command, text=OTHER))
    shares = {
        name: load_model(tmp_path / name)(blocks).logits.softmax(-1)[..., wanted].mean().item()
        for name in ("plain", "only")
    }
    assert shares["only"] > 1.5 * shares["plain"]


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    learner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = _train(learner, tmp_path / "whole", "--save_steps", "3")
    out = tmp_path / "out"
    with crash_at(5), pytest.raises(KeyboardInterrupt):
        _train(learner, out, "--save_steps", "3")
    assert not out.exists()
    work = tmp_path / "out.work"
    (work / "checkpoint-4").mkdir()  # cut short: it has no trainer_state.json
    _train(learner, out, "--save_steps", "3")
    assert "going on at step 3" in capsys.readouterr().err
    assert same(out, whole)
    assert not work.exists()


def test_an_unfinished_run_is_not_continued_with_other_settings(
    learner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with crash_at(2), pytest.raises(KeyboardInterrupt):
        _train(learner, out)
    capsys.readouterr()
    data = write_text(tmp_path)
    line = complaint(capsys, main, "--model", learner, "--data", data, "--out", out, *SETTINGS, "--lr", "0.5")
    assert "out.work holds an unfinished training with lr 0.01, now 0.5" in line


def test_a_failed_save_leaves_the_old_model(learner: Path, tmp_path: Path) -> None:
    out = _train(learner, tmp_path / "out")
    old = load(out)
    with (
        patch("transformers.PreTrainedTokenizerBase.save_pretrained", side_effect=OSError("no space")),
        pytest.raises(OSError, match="no space"),
    ):
        _train(learner, out, "--overwrite", "--seed", "7")
    assert sorted(load(out)) == sorted(old)
    assert torch.equal(load(out)["lm_head.weight"], old["lm_head.weight"])


@pytest.mark.parametrize(
    ("options", "dtype"), [((), torch.bfloat16), (("--dtype", "float32"), torch.float32)]
)
def test_the_result_is_saved_in_the_dtype_of_the_model_or_the_one_asked_for(
    tmp_path: Path, options: tuple[str, ...], dtype: torch.dtype
) -> None:
    model = make_learner(tmp_path / "model", dtype=torch.bfloat16)
    out = _train(model, tmp_path / "out", *options)
    assert {tensor.dtype for tensor in load(out).values()} == {dtype}


def test_a_loss_that_is_no_number_stops_the_training(learner: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the loss became nan by step \d; lower --lr"):
        _train(learner, tmp_path / "out", "--lr", "1e30")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"--model": "missing"}, "missing: not a model folder (no config.json)"),
        ({"--data": "missing.txt"}, "data set missing.txt is missing"),
        ({"--out": "model"}, "model exists already"),
        ({"--block_size": "9999"}, "fill no block of 9999"),
        ({"--batch": "0"}, "--batch 0: give 1 or more"),
        ({"--warmup": "2"}, "--warmup 2.0: give a number in [0, 1)"),
        ({"--lr": "fast"}, "--lr: 'fast' is not a number"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path,
    learner: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to(learner)
    write_text(Path())
    options = {"--model": "model", "--data": "easy.txt", "--out": "out", **changes}
    assert said in complaint(capsys, main, *(part for option in options.items() for part in option))
    assert not Path("out").exists()
