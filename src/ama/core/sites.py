"""Where in a causal language model a parameter sits, found from its name and shape alone."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ama.core.errors import UserError

_LAYER = re.compile(r"(?P<stack>.+?)\.(?P<layer>[0-9]{1,6})\.")
_TOKEN_TABLES = {"embed_tokens", "wte", "embed_in", "word_embeddings"}
_EMBEDDINGS = _TOKEN_TABLES | {"wpe", "embed_positions", "position_embeddings", "word_embeddings_layernorm"}
_EMBEDDINGS |= {"embed_layer_norm", "project_in"}
_TOKEN_HEADS = {"lm_head", "embed_out", "output"}
_HEADS = _TOKEN_HEADS | {"project_out", "score"}
_FINAL_NORMS = {"norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f"}
_PROJECTIONS = {"project_in", "project_out"}
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


class Part(StrEnum):
    """The four parts of the model that a schedule tells apart."""

    EMBEDDING = "embedding"
    LAYER = "layer"
    FINAL_NORM = "final norm"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Site:
    """The place of one parameter.

    Attributes:
        name: the parameter's name in the checkpoint.
        part: the part of the model that it belongs to.
        layer: index of its transformer layer, 0 to L - 1; None outside the layers.
        linear: whether it belongs to a linear map (nn.Linear, Conv1D, expert weights, the head).
        tied: whether it is the token table and the head in one tensor.
    """

    name: str
    part: Part
    layer: int | None
    linear: bool
    tied: bool = False

    @property
    def module(self) -> str:
        """The name of the module that owns the parameter: its name without `.weight` or `.bias`."""
        return _module(self.name)


def layer_of(name: str) -> int | None:
    """Return the index of the layer that a parameter or module belongs to, None outside the layers."""
    match = _LAYER.match(name)
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
    return not _LAYER.match(name) and bool(set(name.split(".")) & (_TOKEN_TABLES | _TOKEN_HEADS))


def find_token_embedding(names: Iterable[str]) -> str | None:
    """Return the name of the token embedding's weight, or None where there is none."""
    return next((name for name in names if is_token_table(name) and _owner(name) in _TOKEN_TABLES), None)


def find_head(names: Iterable[str]) -> str | None:
    """Return the name of the head's weight, or None where it is tied to the token embedding."""
    heads = (name for name in names if name.endswith(".weight") and not _LAYER.match(name))
    return next((name for name in heads if _owner(name) in _TOKEN_HEADS | {"score"}), None)


def find_sites(shapes: Mapping[str, tuple[int, ...]], num_layers: int) -> dict[str, Site]:
    """Place every parameter of a causal language model.

    Args:
        shapes: shape of each parameter, by its name in the checkpoint.
        num_layers: L, the number of transformer layers that the configuration states.

    Returns:
        The site of each parameter, in the order of `shapes`. Where there is no head the token table is tied.

    Raises:
        UserError: a name that fits no part, a second stack of layers, or layers that are not 0 .. L - 1.
    """
    table = find_token_embedding(shapes) if find_head(shapes) is None else None
    sites = {name: _site(name, shapes, tied=name == table) for name in shapes}
    _check_layers(sites, num_layers)
    return sites


def _site(name: str, shapes: Mapping[str, tuple[int, ...]], *, tied: bool) -> Site:
    in_layer = _LAYER.match(name)
    words = set(name.split("."))
    if in_layer:
        return Site(name, Part.LAYER, int(in_layer["layer"]), _is_linear(name, shapes))
    if words & _EMBEDDINGS:
        return Site(name, Part.EMBEDDING, None, linear=tied or bool(words & _PROJECTIONS), tied=tied)
    if words & _HEADS:
        return Site(name, Part.HEAD, None, linear=True)
    if words & _FINAL_NORMS:
        return Site(name, Part.FINAL_NORM, None, linear=False)
    raise UserError(
        f"tensor '{name}' is neither in a layer nor a known embedding, final norm or head; "
        "ama averages decoder-only models whose tensors follow the transformers library's names"
    )


def _is_linear(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    weight = f"{_module(name)}.weight"
    return len(shapes.get(weight, shapes[name])) >= 2


def _owner(name: str) -> str:
    return _module(name).rpartition(".")[2]


def _module(name: str) -> str:
    return name.removesuffix(".weight").removesuffix(".bias")


def _check_layers(sites: Mapping[str, Site], num_layers: int) -> None:
    stacks = {match["stack"] for name in sites if (match := _LAYER.match(name))}
    if len(stacks) > 1:
        raise UserError(f"two stacks of layers, {sorted(stacks)}: ama averages models with one decoder")
    found = {site.layer for site in sites.values() if site.layer is not None}
    if len(found) != num_layers or max(found, default=-1) >= num_layers:
        raise UserError(
            f"config.json states {num_layers} layers, but the weights hold layers {_spans(found)}: "
            "one of the two is another model's"
        )


def _spans(layers: set[int]) -> str:
    return f"{min(layers)} to {max(layers)} ({len(layers)} of them)" if layers else "none"
