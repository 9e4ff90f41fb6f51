"""ama.optimize_masks --optimizer search: the ratios without gradients, on the likelihood or the reward."""

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from support.masking import (
    FAMILIES,
    LAYERS,
    masked,
    merge,
    optimize,
    save_judge,
    save_scene,
    tiny_model,
    token_ids,
)

from ama.averaging.in_memory import InMemoryAverage
from ama.averaging.live import plan_live
from ama.averaging.schedules.mask_alphas import read_mask
from ama.data.labelled_blocks import label_blocks
from ama.data.samples import read_samples
from ama.errors import UserError
from ama.models import load_model, load_reward_model, load_tokenizer
from ama.ratios.reward_term import draw_prompts
from ama.sampling.generation import sample_replies
from ama.sampling.journal import Journal
from ama.sampling.reward import score_texts
from ama.settings.merging import Scope
from ama.settings.samples import LossOn
from ama.settings.sampling import SamplingSettings

SEARCH = ("--optimizer", "search", "--reg_alpha", "0")


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return save_scene(tmp_path)


def _readable(masks: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((masks / "mask_alphas.json").read_text())
    return content


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("family", FAMILIES)
def test_in_memory_average_is_the_masked_model(family: str, scope: Scope) -> None:
    model, ratios, blocks = masked(family, "lblock3", scope)
    pair = tiny_model(family, 1), tiny_model(family, 2)
    plan = plan_live(*pair, blocks.schedule(ratios().tolist(), ratios.mean))
    mixed = InMemoryAverage(*pair).mix(plan)
    with torch.no_grad():
        expected, found = model(token_ids()).logits, mixed(token_ids()).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_in_memory_average_keeps_its_inputs() -> None:
    before, after = tiny_model("llama", 1), tiny_model("llama", 2)
    average = InMemoryAverage(before, after)
    blocks = masked("llama", "layerwise")[2]
    average.mix(plan_live(before, after, blocks.schedule([0.5] * LAYERS, 0.5)))
    for model, seed in ((before, 1), (after, 2)):
        for name, parameter in tiny_model("llama", seed).named_parameters():
            assert torch.equal(parameter, model.get_parameter(name))


def test_search_ends_no_higher_than_the_gradient(scene: Path) -> None:
    trained = optimize(scene, "--reg_alpha", "0", "--max_steps", "60", "--lr", "0.05")
    by_gradient = read_mask(trained).raw.tolist()
    masks = optimize(scene, *SEARCH, "--evaluations", "200", "--overwrite")
    ratios = read_mask(masks).ratios()
    assert max(ratios) - min(ratios) > 0.1
    assert sum(ratios) / 3 == pytest.approx(0.2, abs=1e-6)
    content = _readable(masks)
    metrics = content["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["value"] < metrics["value_at_equal_ratios"]
    assert metrics["value"] < _value(scene, by_gradient) + 1e-4
    assert "not settled" not in str(content["verdict"])
    assert sorted(path.suffix for path in masks.iterdir()) == [".bin", ".json", ".png"]


def _value(scene: Path, raw: list[float]) -> float:
    """Return the loss on the samples at given raw scalars, by a merge and a model of their own."""
    content = torch.load(scene / "masks" / "mask_alphas.bin", weights_only=True)
    content["mask_alphas"] = {
        name: torch.tensor(raw[content["blocks"][name]]) for name in content["mask_alphas"]
    }
    content["mask_bkp_alphas"] = dict(zip(content["mask_bkp_alphas"], map(torch.tensor, raw), strict=True))
    (scene / "given").mkdir()
    torch.save(content, scene / "given" / "mask_alphas.bin")
    out = merge(scene, scene / "given", scene / "merged", "--allow_extrapolation")
    blocks = label_blocks(read_samples(scene / "samples.json"), load_tokenizer(out), 16, LossOn.TEXT)
    with torch.no_grad():
        return float(load_model(out)(**blocks).loss)


def test_an_interrupted_search_ends_as_an_uninterrupted_one(scene: Path) -> None:
    whole = optimize(scene, *SEARCH, "--evaluations", "21")
    expected = (whole / "mask_alphas.bin").read_bytes()
    again = scene / "again"
    arguments = (*SEARCH, "--evaluations", "21", "--output_dir", str(again))
    begin, counts = Journal.writer, list[int]()

    def stop_at_ten(journal: Journal[float]) -> Callable[[int, list[float]], None]:
        write = begin(journal)

        def note(number: int, items: list[float]) -> None:
            write(number, items)
            counts.append(number)
            if len(counts) == 10:
                raise KeyboardInterrupt

        return note

    with patch.object(Journal, "writer", stop_at_ten):
        with pytest.raises(KeyboardInterrupt):
            optimize(scene, *arguments)
        with (again / "evaluations.0.jsonl").open("a") as file:
            file.write("\n[10, [0.")  # as a kill in the middle of a line would
        optimize(scene, *arguments)
    assert (again / "mask_alphas.bin").read_bytes() == expected
    assert len(counts) == _readable(whole)["metrics"]["evaluations"]  # type: ignore[index]


def test_one_block_and_too_few_evaluations(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_mask(optimize(scene, *SEARCH, "--mask_level", "block1")).ratios() == pytest.approx([0.2])
    optimize(scene, *SEARCH, "--evaluations", "7", "--overwrite")
    assert "not settled; give more --evaluations" in capsys.readouterr().err


def test_search_refuses_deepspeed(scene: Path) -> None:
    with pytest.raises(UserError, match="does not run under DeepSpeed"):
        optimize(scene, *SEARCH, "--deepspeed", "configs/deepspeed/ds_config_zero2.json")


def test_search_raises_the_reward_of_replies(scene: Path) -> None:
    judge = save_judge(scene / "judge")
    reward = ("--reward_model", str(judge), "--reward_prompts", "24", "--max_new_tokens", "6")
    masks = optimize(scene, *SEARCH, *reward, "--evaluations", "30")
    content = _readable(masks)
    metrics = content["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["value"] < metrics["value_at_equal_ratios"] - 1e-3
    assert content["reward_model"] == str(judge)
    # The reward is what a merge by these ratios gets, by models loaded anew.
    out = merge(scene, masks, scene / "merged", "--allow_extrapolation")
    prompts = draw_prompts(read_samples(scene / "samples.json"), 24, 0)
    replies = sample_replies(
        load_model(out), load_tokenizer(out), prompts, SamplingSettings(max_new_tokens=6)
    )
    texts = [prompt + reply for prompt, reply in zip(prompts, replies, strict=True)]
    scores = score_texts(load_reward_model(judge), load_tokenizer(judge), texts)
    assert -sum(scores) / len(scores) == pytest.approx(metrics["value"], abs=1e-4)


def test_a_reward_without_a_search_and_prompts_without_a_mark(scene: Path) -> None:
    with pytest.raises(UserError, match="give --optimizer search"):
        optimize(scene, "--reward_model", str(scene / "before"))
    (scene / "samples.json").write_text(
        json.dumps({"type": "text_only", "instances": [{"text": "w1 " * 40}]})
    )
    with pytest.raises(UserError, match="have no prompts to reply to"):
        optimize(scene, *SEARCH, "--reward_model", str(save_judge(scene / "judge")))
