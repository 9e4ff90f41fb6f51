"""ama.collect_samples: replies of given checkpoints as a data set of learned ratios."""

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.masking import optimize, save_judge, save_scene

from ama import collect_samples
from ama.data.samples import read_samples
from ama.errors import UserError
from ama.sampling import rollout


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    scene = save_scene(tmp_path)
    save_judge(scene / "judge")
    return scene


def _collect(scene: Path, *arguments: str) -> Path:
    out = scene / "collected.json"
    places = ["--model", str(scene / "after"), "--prompts", str(scene / "samples.json"), "--out", str(out)]
    sizes = ["--max_new_tokens", "8", "--sample_batch", "16"]
    with patch.object(sys, "argv", ["ama.collect_samples", *places, *sizes, *arguments]):
        collect_samples.main()
    return out


def test_samples_of_a_checkpoint_teach_ratios(scene: Path) -> None:
    samples = read_samples(_collect(scene))
    prompts = [sample.prompt for sample in read_samples(scene / "samples.json")]
    assert [sample.prompt for sample in samples] == prompts
    assert len({sample.reply for sample in samples}) > 10
    assert {sample.reward for sample in samples} == {None}
    assert sorted(path.name for path in scene.iterdir() if path.name.startswith(".")) == []
    masks = optimize(scene, "--dataset_path", str(scene / "collected.json"), "--loss_on", "response")
    assert (masks / "mask_alphas.bin").exists()


def test_a_reward_model_chooses(scene: Path) -> None:
    every = read_samples(_collect(scene, "--reward_model", str(scene / "judge"), "--samples", "2"))
    options = ("--reward_model", str(scene / "judge"), "--samples", "2", "--pool", "20", "--collected", "9")
    chosen = read_samples(_collect(scene, *options, "--overwrite"))
    rewards = sorted((sample.reward or 0.0 for sample in every), reverse=True)
    assert len(every) == 120
    assert len(chosen) == 9
    assert min(sample.reward or 0.0 for sample in chosen) >= rewards[19]


def test_a_part_of_the_prompts_is_drawn_by_the_seed(scene: Path) -> None:
    every = [sample.prompt for sample in read_samples(scene / "samples.json")]

    def drawn(seed: str) -> list[str]:
        path = _collect(scene, "--limit", "7", "--seed", seed, "--overwrite")
        return [sample.prompt for sample in read_samples(path)]

    first = drawn("1")
    assert len(first) == 7
    assert set(first) <= set(every)
    assert drawn("1") == first != drawn("2")


def test_an_interrupted_sampling_goes_on(scene: Path) -> None:
    whole = _collect(scene).read_bytes()
    (scene / "collected.json").unlink()
    sample, calls = rollout.sample_replies, []

    def stop_after_one(*arguments: Any) -> list[str]:
        note = arguments[4]

        def counted(number: int, replies: list[str]) -> None:
            note(number, replies)
            calls.append(number)
            if len(calls) == 1:
                raise KeyboardInterrupt

        return sample(*arguments[:4], counted, *arguments[5:])

    with patch.object(rollout, "sample_replies", stop_after_one):
        with pytest.raises(KeyboardInterrupt):
            _collect(scene)
        assert not (scene / "collected.json").exists()
        assert _collect(scene).read_bytes() == whole
    assert sorted(calls) == sorted(set(calls))


def test_mistakes(scene: Path) -> None:
    _collect(scene)
    with pytest.raises(UserError, match="exists already: choose another, or replace it with --overwrite"):
        _collect(scene)
    (scene / "samples.json").write_text(json.dumps({"type": "text_only", "instances": [{"text": "w1 w2"}]}))
    with pytest.raises(UserError, match="instance 0 has no prompt"):
        _collect(scene, "--overwrite")
