"""Write two random checkpoints in Llama's layout: llama_pair.py FOLDER DTYPE SHARDS [SIZE=NUMBER ...]."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

TINYLLAMA = {
    "vocab_size": 32000,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
}
"""The layout of TinyLlama: 1.1 billion parameters."""
OTHERS = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def make(folder: Path, seed: int, sizes: dict[str, int], dtype: str, shards: int) -> None:
    """Write one checkpoint of normal values with standard deviation 0.02."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    shapes = list(_shapes(sizes).items())
    per_shard = -(-len(shapes) // shards)
    weight_map: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = shapes[number * per_shard : (number + 1) * per_shard]
        tensors = {name: torch.randn(shape, generator=generator) * 0.02 for name, shape in part}
        halves = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors.items()}
        save_file(halves, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps({**OTHERS, **sizes, "dtype": dtype}))


def _shapes(sizes: dict[str, int]) -> dict[str, tuple[int, ...]]:
    vocabulary, width, inner = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"]
    narrow = width * sizes["num_key_value_heads"] // sizes["num_attention_heads"]
    inside = {
        "input_layernorm": (width,),
        "mlp.down_proj": (width, inner),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "post_attention_layernorm": (width,),
        "self_attn.k_proj": (narrow, width),
        "self_attn.o_proj": (width, width),
        "self_attn.q_proj": (width, width),
        "self_attn.v_proj": (narrow, width),
    }
    layers = range(sizes["num_hidden_layers"])
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (vocabulary, width)}
    shapes |= {f"model.layers.{layer}.{name}": shape for layer in layers for name, shape in inside.items()}
    shapes |= {"model.norm": (width,), "lm_head": (vocabulary, width)}
    return {f"{name}.weight": shape for name, shape in shapes.items()}


if __name__ == "__main__":
    root, kind, files, *changes = sys.argv[1:]
    changed = {key: int(value) for key, _, value in (change.partition("=") for change in changes)}
    for number, name in enumerate(("before", "after")):
        make(Path(root) / name, number, TINYLLAMA | changed, kind, int(files))
