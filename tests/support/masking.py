"""Pairs of tiny models, samples, and the two commands of learned ratios run in this process."""

import copy
import json
import random
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    LlamaForSequenceClassification,
    MixtralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from ama import merge_masks, optimize_masks
from ama.averaging.live import live_sites
from ama.models import quiet
from ama.ratios.learned_ratios import LearnedRatios
from ama.ratios.masked_model import mask_model
from ama.ratios.parameter_blocks import ParameterBlocks, parameter_blocks
from ama.settings.merging import Scope
from ama.settings.ratios import Approach
from support.tiny import scatter

VOCABULARY = 40
LAYERS = 4
_SIZES = {"vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": LAYERS}
_SIZES |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64}
_GPT2 = {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": LAYERS, "n_head": 2, "n_positions": 64}
_GPT2 |= {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
FAMILIES: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**_SIZES, tie_word_embeddings=False, attention_bias=True),
    "llama-tied": LlamaConfig(**_SIZES, tie_word_embeddings=True),
    "gpt2": GPT2Config(**_GPT2),
    "gpt2-untied": GPT2Config(**_GPT2, tie_word_embeddings=False),
    "mixtral": MixtralConfig(**_SIZES, tie_word_embeddings=False, num_local_experts=2),
    "mixtral-tied": MixtralConfig(**_SIZES, tie_word_embeddings=True, num_local_experts=2),
}
EOS = 0
MODULES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
MODULES += ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
RAW = [nn.Parameter(torch.tensor(value)) for value in (-1.5, 0.25, -0.75)]


def tiny_model(family: str, seed: int) -> PreTrainedModel:
    """Return a float32 model of four layers with random weights."""
    torch.manual_seed(seed)
    config = copy.deepcopy(FAMILIES[family])
    return scatter(AutoModelForCausalLM.from_config(config, experts_implementation="eager"), seed)


def token_ids(rows: int = 2, length: int = 12) -> Tensor:
    """Return random token ids, shape (rows, length)."""
    return torch.randint(0, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(3))


def masked(
    family: str,
    level: str,
    scope: Scope = Scope.LINEAR,
    approach: Approach = Approach.NORMALIZED,
    dtype: torch.dtype = torch.float32,
) -> tuple[PreTrainedModel, LearnedRatios, ParameterBlocks]:
    """Return the masked model of two tiny ones, its ratios (away from their mean) and blocks."""
    before, after = tiny_model(family, 1), tiny_model(family, 2)
    if dtype == torch.float64:
        before, after = in_double(before), in_double(after)
    blocks = parameter_blocks(level, live_sites(after), LAYERS, scope)
    paces = [max(1, len(layers)) for layers in blocks.linears]
    ratios = LearnedRatios(len(blocks.labels), 0.2, 0.2, approach, paces).to(dtype)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        ratios.scaled_raw.add_(torch.randn(len(paces), generator=generator) / ratios.steps)
    return mask_model(before, after, ratios, blocks), ratios, blocks


def in_double(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model in float64, with RMS norms that do not go through float32."""
    for path, module in list(model.named_modules()):
        if type(module).__name__.endswith("RMSNorm"):
            norm = nn.RMSNorm(len(module.weight), eps=module.variance_epsilon)
            norm.weight = module.weight
            parent, _, child = path.rpartition(".")
            setattr(model.get_submodule(parent), child, norm)
    return model.double()


def save_tokenizer(folder: Path) -> None:
    """Save a word tokenizer of the models' vocabulary."""
    words = ["<eos>", "<unk>", "###Human:", "###Assistant:", *(f"w{i}" for i in range(VOCABULARY - 4))]
    backend = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)


def save_judge(folder: Path, vocabulary: int = VOCABULARY) -> Path:
    """Save a reward model with random weights in `folder`; return it."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_labels=1,
        pad_token_id=EOS,
    )
    torch.manual_seed(0)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_scene(folder: Path, family: str = "llama", rows: int = 60) -> Path:
    """Save models as before and after, and samples as samples.json, in `folder`; return it."""
    quiet()
    for name, seed in (("before", 1), ("after", 2)):
        tiny_model(family, seed).save_pretrained(folder / name)
        save_tokenizer(folder / name)
    source = random.Random(5)
    words = [f"w{i}" for i in range(VOCABULARY - 4)]
    texts = [
        " ".join(["###Human:", *source.choices(words, k=6), "###Assistant:", *source.choices(words[:9], k=6)])
        for _ in range(rows)
    ]
    instances = [{"text": text, "reward": 1.0} for text in texts]
    (folder / "samples.json").write_text(json.dumps({"type": "text_only", "instances": instances}))
    return folder


def optimize_arguments(scene: Path, *arguments: str) -> list[str]:
    """Return the command line of ama.optimize_masks for a scene; arguments given here win."""
    models = ["--before", str(scene / "before"), "--after", str(scene / "after")]
    places = ["--dataset_path", str(scene / "samples.json"), "--output_dir", str(scene / "masks")]
    sizes = ["--block_size", "16", "--per_device_train_batch_size", "4", "--lr", "0.05", "--max_steps", "4"]
    return [*models, *places, *sizes, *arguments]


def optimize(scene: Path, *arguments: str) -> Path:
    """Run ama.optimize_masks in this process; a user's mistake is raised as UserError."""
    with patch.object(sys, "argv", ["ama.optimize_masks", *optimize_arguments(scene, *arguments)]):
        optimize_masks.main()
    return scene / "masks"


def merge(scene: Path, masks: Path, out: Path, *arguments: str) -> Path:
    """Run ama.merge_masks in this process; a user's mistake is raised as UserError."""
    models = ["--before", str(scene / "before"), "--after", str(scene / "after")]
    command = ["ama.merge_masks", *models, "--masks", str(masks), "--out", str(out), *arguments]
    with patch.object(sys, "argv", command):
        assert merge_masks.main() == 0
    return out


def released_mask(layers: int = LAYERS) -> dict[str, Any]:
    """Return what the released code writes for block3: one scalar in many modules, and once by block."""
    named = {f"model.layers.{i}.{name}": RAW[min(i, 2)] for i in range(layers) for name in MODULES}
    blocks = dict(enumerate(RAW))
    return {
        "mask_alphas": named,
        "mask_bkp_alphas": blocks,
        "init_val": 0.2,
        "epsilon": 0.1,
        "base_gammas": {},
    }
