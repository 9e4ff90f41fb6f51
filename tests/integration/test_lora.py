"""LoRA adapters as the model after RLHF, against what PEFT itself makes of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AdaLoraConfig, IA3Config, LoraConfig, PeftModel, TrainableTokensConfig, get_peft_model
from safetensors.torch import save_file
from support.command import interpolate, refusal
from support.tiny import load, make_llama, make_tokenizer, rewrite, scatter
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, PreTrainedModel

ATTENTION = ["q_proj", "v_proj"]
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

LLAMA_ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {"r": 4, "lora_alpha": 6, "target_modules": ATTENTION},
    "all-linear": {"r": 3, "lora_alpha": 16, "target_modules": "all-linear"},
    "rslora": {"r": 4, "lora_alpha": 6, "target_modules": ALL_LINEAR, "use_rslora": True},
    "patterns": {
        "r": 4,
        "lora_alpha": 6,
        "target_modules": ALL_LINEAR,
        "alpha_pattern": {"k_proj": 5, r"layers\.[01]\.mlp\..*": 11, "down_proj": 2},
        "rank_pattern": {"q_proj": 2, r"^model\.layers\.3\.self_attn\.o_proj": 7},
    },
    "rslora-patterns": {
        "r": 4,
        "lora_alpha": 6,
        "target_modules": ALL_LINEAR,
        "use_rslora": True,
        "alpha_pattern": {"k_proj": 5},
        "rank_pattern": {"k_proj": 2, "gate_proj": 9},
    },
    "some-layers": {"r": 2, "target_modules": ATTENTION, "layers_to_transform": [1, 3]},
    "modules-to-save": {
        "r": 2,
        "target_modules": ATTENTION,
        "modules_to_save": ["lm_head", "input_layernorm"],
    },
    "embedding": {"r": 2, "lora_alpha": 5, "target_modules": ["embed_tokens", "q_proj"]},
    "embedding-and-head": {"r": 2, "lora_alpha": 5, "target_modules": ["embed_tokens", "lm_head"]},
    "bias-all": {"r": 2, "target_modules": ATTENTION, "bias": "all"},
    "bias-lora-only": {"r": 2, "target_modules": [*ATTENTION, "o_proj"], "bias": "lora_only"},
}
GPT2_ADAPTERS: dict[str, dict[str, Any]] = {
    "conv1d": {
        "r": 3,
        "lora_alpha": 7,
        "target_modules": ["c_attn", "c_proj", "c_fc"],
        "fan_in_fan_out": True,
    },
    "conv1d-bias": {"r": 3, "target_modules": ["c_proj"], "fan_in_fan_out": True, "bias": "all"},
    "conv1d-embedding": {"r": 2, "target_modules": ["wte", "wpe", "c_attn"], "fan_in_fan_out": True},
}
CASES = [
    *(("llama", name) for name in LLAMA_ADAPTERS),
    ("llama-tied", "lora"),
    ("llama-tied", "embedding"),
    ("llama-tied", "modules-to-save"),
    *(("gpt2", name) for name in GPT2_ADAPTERS),
]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    make_llama(root / "llama", 1, attention_bias=True)
    make_llama(root / "llama-tied", 1, attention_bias=True, tie_word_embeddings=True)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=32, n_layer=3, n_head=4, n_positions=32))
    scatter(gpt2, 1).save_pretrained(root / "gpt2")
    return {folder.name: folder for folder in root.iterdir()}


def make_adapter(base: Path, folder: Path, dtype: torch.dtype = torch.float32, **config: Any) -> Path:
    """Save an adapter of `base` whose every trained value is random."""
    model = AutoModelForCausalLM.from_pretrained(base)
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **config))
    generator = torch.Generator().manual_seed(3)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    adapted.to(dtype).save_pretrained(folder)
    return folder


def unloaded(base: Path, adapter: Path) -> PreTrainedModel:
    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload()


@pytest.mark.parametrize(("family", "name"), CASES)
def test_an_adapter_is_averaged_as_the_model_that_peft_makes_of_it(
    bases: dict[str, Path], family: str, name: str, tmp_path: Path
) -> None:
    base = bases[family]
    settings = GPT2_ADAPTERS[name] if family == "gpt2" else LLAMA_ADAPTERS[name]
    adapter = make_adapter(base, tmp_path / "adapter", **settings)
    before = AutoModelForCausalLM.from_pretrained(base).state_dict()
    after = unloaded(base, adapter).state_dict()
    assert before.keys() == after.keys()
    changed = [key for key in before if not torch.equal(before[key], after[key])]
    assert changed
    for ratio in (0.0, 0.3):
        out = interpolate(base, adapter, tmp_path / f"out{ratio}", "--alpha", str(ratio))
        merged = AutoModelForCausalLM.from_pretrained(out).state_dict()
        assert merged.keys() == before.keys()
        for key, value in merged.items():
            exact = ratio * before[key].double() + (1 - ratio) * after[key].double()
            torch.testing.assert_close(value.double(), exact, rtol=0, atol=2e-6, msg=key)
            if key not in changed:
                assert torch.equal(value, before[key]), key
    out = interpolate(base, adapter, tmp_path / "out1", "--alpha", "1")
    merged = AutoModelForCausalLM.from_pretrained(out).state_dict()
    assert all(torch.equal(merged[key], value) for key, value in before.items())


def test_tokens_go_through_the_merged_model_as_through_the_adapted_one(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    adapter = make_adapter(bases["gpt2"], tmp_path / "adapter", **GPT2_ADAPTERS["conv1d"])
    out = interpolate(bases["gpt2"], adapter, tmp_path / "out", "--alpha", "0")
    tokens = torch.arange(20).view(2, 10)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(bases["gpt2"]), adapter).eval()
    merged = AutoModelForCausalLM.from_pretrained(out).eval()
    with torch.no_grad():
        torch.testing.assert_close(merged(tokens).logits, adapted(tokens).logits, rtol=1e-4, atol=1e-4)


def test_the_base_may_lack_the_base_models_word(bases: dict[str, Path], tmp_path: Path) -> None:
    adapter = make_adapter(bases["gpt2"], tmp_path / "adapter", **GPT2_ADAPTERS["conv1d"])
    out = interpolate(bases["gpt2"], adapter, tmp_path / "out", "--alpha", "0.3")
    bare = shutil.copytree(bases["gpt2"], tmp_path / "bare")
    rewrite(bare, {name.removeprefix("transformer."): tensor for name, tensor in load(bare).items()})
    again = interpolate(bare, adapter, tmp_path / "again", "--alpha", "0.3")
    assert (out / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()


def test_parts_have_their_own_ratios(bases: dict[str, Path], tmp_path: Path) -> None:
    adapter = make_adapter(bases["llama"], tmp_path / "adapter", **LLAMA_ADAPTERS["all-linear"])
    out = interpolate(bases["llama"], adapter, tmp_path / "split|1|0.9|0.2", "--alpha", "0.3")
    before, merged = load(bases["llama"]), load(out)
    after = unloaded(bases["llama"], adapter).state_dict()
    for layer, ratio in enumerate((0.9, 0.9, 0.2, 0.2)):
        name = f"model.layers.{layer}.mlp.up_proj.weight"
        exact = ratio * before[name].double() + (1 - ratio) * after[name].double()
        torch.testing.assert_close(merged[name].double(), exact, rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_model_is_rounded_once(dtype: torch.dtype, tmp_path: Path) -> None:
    base = make_llama(tmp_path / "base", 1, dtype)
    adapter = make_adapter(base, tmp_path / "adapter", dtype, **LLAMA_ADAPTERS["all-linear"])
    out = interpolate(base, adapter, tmp_path / "out", "--alpha", "0.3")
    before, merged = load(base), load(out)
    factors = load(adapter)
    for name, value in merged.items():
        assert value.dtype == dtype
        module = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{module}.lora_A.weight" not in factors:
            assert torch.equal(value, before[name])
            continue
        down, up = (factors[f"{module}.lora_{letter}.weight"].double() for letter in "AB")
        exact = before[name].double() + 0.7 * 16 / 3 * up @ down
        step = torch.finfo(dtype).eps * exact.abs().clamp(min=2.0**-14)
        assert ((value.double() - exact).abs() <= 0.51 * step + 1e-7).all(), name


def test_the_adapters_tokenizer_and_the_bases_settings_are_taken(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    adapter = make_adapter(bases["llama"], tmp_path / "adapter", **LLAMA_ADAPTERS["lora"])
    make_tokenizer(adapter, "template")
    out = interpolate(bases["llama"], adapter, tmp_path / "out", "--alpha", "0.3")
    assert (out / "chat_template.jinja").read_text() == "template"
    assert (out / "generation_config.json").is_file()
    assert not list(out.glob("adapter*"))
    assert json.loads((out / "ama_merge.json").read_text())["after"]["model"] == str(adapter.resolve())
    assert f"{bases['llama']}+{adapter}" in (out / "mergekit.yaml").read_text()


def test_an_adapter_that_enlarged_the_vocabulary(bases: dict[str, Path], tmp_path: Path) -> None:
    larger = tmp_path / "larger"
    model = AutoModelForCausalLM.from_pretrained(bases["llama"])
    model.resize_token_embeddings(70)
    model.save_pretrained(larger)
    settings = {"r": 2, "target_modules": ATTENTION, "modules_to_save": ["embed_tokens", "lm_head"]}
    adapter = make_adapter(larger, tmp_path / "adapter", **settings)
    assert "keep_extra" in refusal(bases["llama"], adapter, tmp_path / "out", "--alpha", "0.3")
    options = ["--alpha", "0.3", "--vocab_mismatch", "keep_extra"]
    out = interpolate(bases["llama"], adapter, tmp_path / "out", *options)
    trained = unloaded(larger, adapter).state_dict()["lm_head.weight"]
    head = AutoModelForCausalLM.from_pretrained(out).lm_head.weight
    assert torch.equal(head[64:], trained[64:])
    exact = 0.3 * load(bases["llama"])["lm_head.weight"] + 0.7 * trained[:64]
    torch.testing.assert_close(head[:64].detach(), exact, rtol=0, atol=1e-6)


# --- refusals


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"lora_bias": True}, "lora_bias"),
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"init_lora_weights": "olora"}, "olora"),
        ({"layer_replication": [[0, 3], [1, 4]]}, "layer_replication"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
    ],
)
def test_a_lora_that_is_more_than_a_product_is_refused(
    bases: dict[str, Path], settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    adapter = make_adapter(bases["llama"], tmp_path / "adapter", r=2, target_modules=ATTENTION, **settings)
    message = refusal(bases["llama"], adapter, tmp_path / "out", "--alpha", "0.3")
    assert said in message
    assert str(adapter) in message


@pytest.mark.parametrize(
    "config",
    [
        IA3Config(target_modules=ATTENTION, feedforward_modules=[]),
        AdaLoraConfig(target_modules=ATTENTION, total_step=10),
        TrainableTokensConfig(token_indices=[1, 2]),
    ],
    ids=lambda config: config.peft_type.value,
)
def test_other_adapters_are_refused(bases: dict[str, Path], config: Any, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(bases["llama"])
    get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    message = refusal(bases["llama"], tmp_path / "adapter", tmp_path / "out", "--alpha", "0.3")
    assert config.peft_type.value in message
    assert "merge it into its base first" in message


def _without_one_factor(adapter: Path) -> None:
    tensors = load(adapter)
    tensors.pop(next(name for name in tensors if "lora_B" in name))
    _replace(adapter, tensors)


def _with_other_shapes(adapter: Path) -> None:
    _replace(adapter, {name: tensor[:, :-1].contiguous() for name, tensor in load(adapter).items()})


def _with_another_layer(adapter: Path) -> None:
    _replace(
        adapter, {name.replace("layers.3", "layers.4"): tensor for name, tensor in load(adapter).items()}
    )


def _replace(adapter: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, adapter / "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_one_factor, "only one of the two LoRA factors"),
        (_with_other_shapes, "before's weight"),
        (_with_another_layer, "adapter of another model"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    bases: dict[str, Path], change: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    adapter = make_adapter(bases["llama"], tmp_path / "adapter", r=2, target_modules=ATTENTION)
    change(adapter)
    assert said in refusal(bases["llama"], adapter, tmp_path / "out", "--alpha", "0.3")


def test_a_low_rank_update_of_a_tied_head_is_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    adapter = make_adapter(bases["llama-tied"], tmp_path / "adapter", r=2, target_modules=["lm_head"])
    assert "'lm_head.weight'" in refusal(bases["llama-tied"], adapter, tmp_path / "out", "--alpha", "0.3")


def test_an_adapter_of_another_family_or_as_before_is_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    adapter = make_adapter(bases["llama"], tmp_path / "adapter", r=2, target_modules=ATTENTION)
    message = refusal(bases["gpt2"], adapter, tmp_path / "out", "--alpha", "0.3")
    assert "adapter of another model" in message
    message = refusal(adapter, bases["llama"], tmp_path / "out", "--alpha", "0.3")
    assert "only after may be one" in message
