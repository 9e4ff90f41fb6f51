"""Tiny real checkpoints, made on the spot with the transformers library."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

LLAMA = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def llama(seed: int, dtype: torch.dtype = torch.float32, **config: Any) -> PreTrainedModel:
    """Return a Llama of four layers with random weights, norms included."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**{**LLAMA, **config}))
    return scatter(model, seed).to(dtype)


def scatter(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """Add noise to every parameter, so that no norm or bias is constant and none agrees between two seeds."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def make_llama(folder: Path, seed: int, dtype: torch.dtype = torch.float32, **config: Any) -> Path:
    """Save a tiny Llama as `folder` with save_pretrained and return the folder.

    `config` holds entries of LlamaConfig, such as tie_word_embeddings=True or vocab_size=70.
    """
    llama(seed, dtype, **config).save_pretrained(folder)
    return folder


def make_pair(folder: Path, dtype: torch.dtype = torch.float32, **config: Any) -> tuple[Path, Path]:
    """Save two Llamas of one architecture as `folder`/before and `folder`/after and return both folders."""
    before = make_llama(folder / "before", 1, dtype, **config)
    return before, make_llama(folder / "after", 2, dtype, **config)


def make_tokenizer(folder: Path, chat_template: str | dict[str, str] | None = None) -> Path:
    """Save a word tokenizer of ten tokens, with a chat template where one is given, into `folder`."""
    words = ["<pad>", "<s>", "</s>", "<unk>", "the", "model", "before", "and", "after", "RLHF"]
    backend = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **special)
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)
    return folder


def make_bin(folder: Path, tensors: Mapping[str, torch.Tensor], shards: int = 1) -> None:
    """Write tensors as transformers 4 wrote pytorch_model.bin, in `shards` files, in place of safetensors."""
    for path in folder.glob("model*.safetensors*"):
        path.unlink()
    names = list(tensors)
    if shards == 1:
        torch.save(dict(tensors), folder / "pytorch_model.bin")
        return
    weight_map = {}
    for number in range(shards):
        file = f"pytorch_model-{number + 1:05d}-of-{shards:05d}.bin"
        part = {name: tensors[name] for name in names[number::shards]}
        torch.save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def load(folder: Path) -> dict[str, torch.Tensor]:
    """Read every tensor of a folder's safetensors files with the safetensors library."""
    return {
        name: tensor
        for path in sorted(folder.glob("*model*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def same(one: Path, other: Path) -> bool:
    """Return whether two folders hold the same tensors, bit for bit."""
    first, second = load(one), load(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def rewrite(folder: Path, tensors: Mapping[str, torch.Tensor], **config: Any) -> None:
    """Replace a folder's single model.safetensors, and set entries of its config.json (None removes one)."""
    save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    path = folder / "config.json"
    content = {**json.loads(path.read_text()), **config}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
