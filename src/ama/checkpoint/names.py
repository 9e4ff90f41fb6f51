"""What a tensor's name says of it, in the checkpoints of causal language models."""

import re
from collections.abc import Iterable

LAYER = re.compile(r"(?P<stack>.+?)\.(?P<layer>[0-9]{1,6})\.")
TOKEN_TABLES = {"embed_tokens", "wte", "embed_in", "word_embeddings"}
TOKEN_HEADS = {"lm_head", "embed_out", "output"}
_BUFFER = re.compile(r"(^|\.)(rotary_emb\.inv_freq|attn\.(bias|masked_bias)|attention\.(bias|masked_bias))$")
_FUSED_EXPERTS = {
    ".mlp.experts.gate_up_proj": (
        ".block_sparse_moe.experts.*.w1",
        ".block_sparse_moe.experts.*.w3",
        ".mlp.experts.*.gate_proj",
        ".mlp.experts.*.up_proj",
    ),
    ".mlp.experts.down_proj": (".block_sparse_moe.experts.*.w2", ".mlp.experts.*.down_proj"),
    ".mlp.gate": (".block_sparse_moe.gate",),
}
# Hub checkpoints of GPT-2, BLOOM and OPT were saved from the model without its head: their names lack a word.
_GPT2_WORDS = ("h", "wte", "wpe", "ln_f", "word_embeddings", "word_embeddings_layernorm")
_MISSING_WORD = {**dict.fromkeys(_GPT2_WORDS, "transformer."), "decoder": "model."}


def module_of(name: str) -> str:
    """Return the name of the module that owns a parameter: its name without `.weight` or `.bias`."""
    return name.removesuffix(".weight").removesuffix(".bias")


def layer_of(name: str) -> int | None:
    """Return the index of the layer that a parameter or module belongs to, None outside the layers."""
    match = LAYER.match(name)
    return int(match["layer"]) if match else None


def stored_patterns(module: str) -> tuple[str, ...]:
    """Return globs for the names under which a module's weights are stored.

    In memory transformers fuses the experts of a layer; on disk every expert has weights of its own.
    """
    for fused, stored in _FUSED_EXPERTS.items():
        if module.endswith(fused):
            stem = module.removesuffix(fused)
            return (module, *(stem + name for name in stored))
    return (module,)


def full_name(name: str) -> str:
    """Return a tensor's name as a causal language model saves it, with the base model's word in front."""
    return _MISSING_WORD.get(name.partition(".")[0], "") + name


def is_derived_buffer(name: str) -> bool:
    """Tell whether a stored tensor is a constant of old checkpoints (rotary table, mask), no parameter."""
    return _BUFFER.search(name) is not None


def is_token_table(name: str) -> bool:
    """Tell whether the rows of a tensor are the tokens of the vocabulary: token embedding or head."""
    return not LAYER.match(name) and bool(set(name.split(".")) & (TOKEN_TABLES | TOKEN_HEADS))


def find_token_embedding(names: Iterable[str]) -> str | None:
    """Return the name of the token embedding's weight, or None where there is none."""
    return next((name for name in names if is_token_table(name) and _owner(name) in TOKEN_TABLES), None)


def find_head(names: Iterable[str]) -> str | None:
    """Return the name of the head's weight, or None where it is tied to the token embedding."""
    heads = (name for name in names if name.endswith(".weight") and not LAYER.match(name))
    return next((name for name in heads if _owner(name) in TOKEN_HEADS | {"score"}), None)


def _owner(name: str) -> str:
    return module_of(name).rpartition(".")[2]
