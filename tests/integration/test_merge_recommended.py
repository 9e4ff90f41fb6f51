"""python -m ama.merge_recommended: the checkpoint of the schedule that the report of a sweep recommends."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.call import call, complaint
from support.command import interpolate
from support.sweeps import AFTER, BEFORE, plain, save_sweep, without_tax
from support.tiny import make_llama

from ama.evaluation.sweep.record import read_sweep, write_sweep
from ama.merge_recommended import main

TAG = "split|0|0.5|0.1"
# Of those that lose little of the reward, the second gives back most.
GOOD = replace(plain(0.2), curve="part-wise", schedule=f"{TAG}@0.2", kept=0.99, back=0.9)
MODELS = (BEFORE, AFTER, plain(0.1), GOOD, plain(0.8))


def _save(folder: Path, scene: Path, models: tuple = MODELS) -> Path:
    """Save a sweep over the two models of the scene."""
    save_sweep(folder, models)
    pair = {"before": str(scene / "before"), "after": str(scene / "after")}
    write_sweep(folder, replace(read_sweep(folder), **pair))
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with before and after."""
    scene = tmp_path_factory.mktemp("scene")
    for seed, name in enumerate(("before", "after")):
        make_llama(scene / name, seed)
    return scene


def test_the_recommended_schedule_is_merged(scene: Path, tmp_path: Path) -> None:
    call(main, _save(tmp_path / "front", scene), "--out", tmp_path / "out")
    pair = (scene / "before", scene / "after")
    same = interpolate(*pair, tmp_path / "same", "--alpha", "0.2", "--schedule", TAG)
    weights = "model.safetensors"
    assert (tmp_path / "out" / weights).read_bytes() == (same / weights).read_bytes()
    record = json.loads((tmp_path / "out" / "ama_merge.json").read_text())
    assert record["schedule"]["name"] == TAG


def test_a_larger_loss_takes_back_more_of_the_tax(scene: Path, tmp_path: Path) -> None:
    folder = _save(tmp_path / "front", scene)
    call(main, folder, "--out", tmp_path / "out", "--most_loss", "0.9")
    assert json.loads((tmp_path / "out" / "ama_merge.json").read_text())["schedule"]["name"] == "0.8"


@pytest.mark.parametrize(
    ("models", "arguments", "message"),
    [
        (tuple(without_tax(MODELS)), (), "There is no alignment tax here"),
        (
            (BEFORE, AFTER, plain(0.8)),
            (),
            "recommends the model after RLHF itself",
        ),
        (MODELS, ("--most_loss", "2"), "--most_loss 2.0: give a number in [0, 1]"),
        (MODELS, ("--max_shard_size", "x"), "x"),
    ],
)
def test_a_mistake_is_one_line(
    models: tuple,
    arguments: tuple[str, ...],
    message: str,
    scene: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = _save(tmp_path / "front", scene, models)
    assert message in complaint(capsys, main, folder, "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "holds no sweep.json" in complaint(capsys, main, tmp_path, "--out", tmp_path / "out")
