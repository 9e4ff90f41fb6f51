"""ama.optimize_masks: samples to artifact, saved as used, resumed after a kill, one line for a mistake."""

import json
import random
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support import warm
from support.masking import VOCABULARY, merge, optimize, optimize_arguments, save_scene
from transformers import AutoModelForCausalLM

from ama.averaging.schedules.mask_alphas import read_mask
from ama.errors import UserError


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return save_scene(tmp_path)


def _ratios(masks: Path) -> list[float]:
    ratios: dict[str, float] = json.loads((masks / "mask_alphas.json").read_text())["ratios"]
    return list(ratios.values())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--mask_level", "block3"),
        ("--mask_level", "lblock3", "--scope", "all", "--approach", "mask_shift_sigmoid_linear"),
        ("--loss_on", "response", "--retain_weight", "1", "--mask_level", "layerwise"),
        ("--gradient_checkpointing", "--bf16", "--pivots", "0#2"),
        ("--gradient_accumulation_steps", "2", "--scale_lr_by_sharing", "false", "--reg_alpha", "0"),
    ],
)
def test_from_samples_to_a_checkpoint(
    scene: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    masks = optimize(scene, *arguments)
    ratios = _ratios(masks)
    assert sum(ratios) / len(ratios) == pytest.approx(0.2, abs=1e-6)
    assert max(ratios) - min(ratios) > 1e-3
    assert {path.name for path in masks.iterdir()} == {
        f"mask_alphas.{kind}" for kind in ("bin", "json", "png")
    }
    # Saved is what was used: the last line of the log has the ratios that the artifact has.
    path = json.loads((masks / "mask_alphas.json").read_text())["path"]
    assert path[0] == pytest.approx([0.2] * len(ratios), abs=1e-6)
    assert path[-1] == pytest.approx(ratios, abs=1e-6)
    assert len(path) == 5
    assert f"ratios {path[-1][0]:.4f} " in capsys.readouterr().err

    out = merge(scene, masks, scene / "merged")
    states = [
        AutoModelForCausalLM.from_pretrained(p).state_dict() for p in (scene / "before", scene / "after", out)
    ]
    name = "model.layers.3.mlp.up_proj.weight"
    before, after, merged = (state[name] for state in states)
    share = (merged - after).flatten() @ (before - after).flatten() / (before - after).norm() ** 2
    assert float(share) == pytest.approx(ratios[-2 if "lblock3" in arguments else -1], abs=1e-4)


def test_loss_falls(scene: Path) -> None:
    masks = optimize(
        scene, "--mask_level", "linearwise", "--max_steps", "30", "--lr", "0.1", "--reg_alpha", "0"
    )
    losses = [_merge_loss(scene, masks, "learned"), _merge_loss(scene, _start(scene), "equal")]
    assert losses[0] < losses[1] - 0.01


def _merge_loss(scene: Path, masks: Path, name: str) -> float:
    """Return the loss of a merge on the samples, which it has been trained for."""
    from ama.data.labelled_blocks import label_blocks
    from ama.data.samples import read_samples
    from ama.models import load_model, load_tokenizer
    from ama.settings.samples import LossOn

    out = merge(scene, masks, scene / name, "--allow_extrapolation")
    samples = read_samples(scene / "samples.json")
    blocks = label_blocks(samples, load_tokenizer(out), 16, LossOn.TEXT)
    with torch.no_grad():
        return float(load_model(out)(input_ids=blocks["input_ids"], labels=blocks["labels"]).loss)


def _start(scene: Path) -> Path:
    content = torch.load(scene / "masks" / "mask_alphas.bin", weights_only=True)
    for part in ("mask_alphas", "mask_bkp_alphas"):
        content[part] = {name: torch.zeros(()) for name in content[part]}
    folder = scene / "start"
    folder.mkdir()
    torch.save(content, folder / "mask_alphas.bin")
    return folder


def test_another_mean_keeps_the_pattern(scene: Path) -> None:
    masks = optimize(scene)
    trained, other = read_mask(masks).ratios(), read_mask(masks).ratios(0.4)
    assert other == pytest.approx([2 * ratio for ratio in trained])
    merge(scene, masks, scene / "other", "--alpha", "0.4")
    record = json.loads((scene / "other" / "ama_merge.json").read_text())
    assert record["schedule"]["ratios"] == pytest.approx(other)


def test_a_run_that_hardly_moves_says_so(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optimize(scene, "--lr", "2e-5")
    assert re.search("warning: the ratios moved .* try --lr 0.0002 or more", capsys.readouterr().err)


def test_it_stops_when_settled(scene: Path) -> None:
    window = ("--settle_window", "2", "--settle_tolerance", "0.5", "--max_steps", "9")
    masks = optimize(scene, *window)
    assert len(json.loads((masks / "mask_alphas.json").read_text())["path"]) == 4


def test_a_ratio_above_one_is_warned_of_and_refused(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = optimize(scene, "--init_val", "0.9", "--epsilon", "0", "--lr", "0.3")
    assert "extrapolates beyond before" in capsys.readouterr().err
    with pytest.raises(UserError, match="--allow_extrapolation"):
        merge(scene, masks, scene / "merged")
    assert not (scene / "merged").exists()
    merge(scene, masks, scene / "merged", "--allow_extrapolation")


def _finished(scene: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [warm.python(), "-m", "ama.optimize_masks", *optimize_arguments(scene, *arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=warm.variables())


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole, cut = save_scene(tmp_path / "whole"), save_scene(tmp_path / "cut")
    steps = ("--save_steps", "1", "--max_steps", "12", "--retain_weight", "0.5")
    assert _finished(whole, *steps).wait(120) == 0
    process = _finished(cut, *steps)
    last = random.Random().randint(1, 8)
    deadline = time.monotonic() + 120
    while not list((cut / "masks").glob(f"checkpoint-{last}")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    warm.kill(process.pid)
    process.wait()
    assert not (cut / "masks" / "mask_alphas.bin").exists()
    weights = sum(path.stat().st_size for path in (cut / "before").iterdir())
    for checkpoint in (cut / "masks").glob("checkpoint-*"):
        assert not list(checkpoint.glob("*.safetensors"))
        assert sum(path.stat().st_size for path in checkpoint.iterdir()) < weights
    assert _finished(cut, *steps).wait(120) == 0
    results = [(scene / "masks" / "mask_alphas.bin").read_bytes() for scene in (whole, cut)]
    assert results[0] == results[1]


def _data(content: Any) -> Callable[[Path], Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    return lambda scene: (scene / "samples.json").write_text(text)


def _other_width(scene: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_pretrained(scene / "before")
    config.vocab_size = VOCABULARY + 1
    LlamaForCausalLM(config).save_pretrained(scene / "before")


def _nothing(scene: Path) -> None:
    pass


def _folder(scene: Path) -> None:
    (scene / "samples.json").unlink()
    (scene / "samples.json").mkdir()


BAD: dict[str, tuple[tuple[str, ...], Callable[[Path], Any], str]] = {
    "level": (
        ("--mask_level", "blocks"),
        _nothing,
        "mask_level 'blocks' is unknown: give block3 (any blockK)",
    ),
    "approach": (
        ("--approach", "max"),
        _nothing,
        "--approach: 'max' is not mask_norm_sigmoid_linear or",
    ),
    "penalty": (
        ("--sum_reg_type", "3"),
        _nothing,
        "--sum_reg_type: '3' is not 0 or 0.2 or 1 or 1.2",
    ),
    "scope": (("--scope", "some"), _nothing, "--scope: 'some' is not all or linear"),
    "loss_on": (("--loss_on", "x"), _nothing, "--loss_on: 'x' is not text or response"),
    "blocks": (
        ("--mask_level", "block9"),
        _nothing,
        "9 blocks do not fit a model of 4 layers: choose 4 at most",
    ),
    "pivot": (("--pivots", "1#3"), _nothing, "pivot 3 leaves no layer for the last block"),
    "pivots": (("--pivots", "1|2"), _nothing, "--pivots '1|2' are no layer indices: write them as 7#15"),
    "epsilon": (("--epsilon", "-0.1"), _nothing, "--epsilon -0.1: give 0 or more"),
    "nan": (("--epsilon", "nan"), _nothing, "--epsilon nan: give 0 or more"),
    "mean": (
        ("--init_val", "1"),
        _nothing,
        "--mean_ratio 1.0: give a number in (0, 1)",
    ),
    "lr": (("--lr", "0"), _nothing, "--lr 0.0: give a number above 0"),
    "batch": (("--per_device_train_batch_size", "0"), _nothing, "--micro_batch 0: give 1 or more"),
    "context": (
        ("--block_size", "65"),
        _nothing,
        "--block_size 65 is longer than the model's context of 64 tokens",
    ),
    "one token": (("--block_size", "1"), _nothing, "--block_size 1"),
    "no samples": ((), _data({"type": "text_only", "instances": []}), "samples.json is empty"),
    "empty folder": ((), _folder, "samples.json is empty"),
    "no JSON": ((), _data("{"), "samples.json: not JSON at character 1"),
    "other type": ((), _data({"type": "image", "instances": []}), "samples.json: type 'image' is not one of"),
    "no text": (
        (),
        _data({"type": "text_only", "instances": [{"input": "a"}]}),
        "instance 0: needs text under",
    ),
    "few tokens": (
        (),
        _data({"type": "text_only", "instances": [{"text": "w1"}]}),
        "2 tokens fill no block of 16",
    ),
    "no data": (("--dataset_path", "nowhere.json"), _nothing, "data set nowhere.json is missing"),
    "no model": (("--before", "nowhere"), _nothing, "nowhere: not a model folder (no config.json)"),
    "vocabulary": (
        (),
        _other_width,
        "is 41x16 in before and 40x16 in after: give two models of one architecture",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_line(scene: Path, case: str) -> None:
    arguments, change, message = BAD[case]
    change(scene)
    with pytest.raises(UserError) as caught:
        optimize(scene, *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (scene / "masks" / "mask_alphas.bin").exists()


def test_an_earlier_result_is_kept(scene: Path) -> None:
    first = optimize(scene)
    content = (first / "mask_alphas.bin").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        optimize(scene, "--lr", "0.1")
    assert (first / "mask_alphas.bin").read_bytes() == content
    optimize(scene, "--lr", "0.1", "--overwrite")
    assert (first / "mask_alphas.bin").read_bytes() != content


def test_exit_status_and_stderr(scene: Path) -> None:
    process = _finished(scene, "--mask_level", "x")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert stderr.decode().count("\n") == 1
