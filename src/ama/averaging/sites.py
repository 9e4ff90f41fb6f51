"""Where in a causal language model a parameter sits, found from its name and shape alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ama.checkpoint.names import LAYER, TOKEN_HEADS, TOKEN_TABLES, find_head, find_token_embedding, module_of
from ama.errors import UserError

_EMBEDDINGS = TOKEN_TABLES | {"wpe", "embed_positions", "position_embeddings", "word_embeddings_layernorm"}
_EMBEDDINGS |= {"embed_layer_norm", "project_in"}
_HEADS = TOKEN_HEADS | {"project_out", "score"}
_FINAL_NORMS = {"norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f"}
_PROJECTIONS = {"project_in", "project_out"}


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
        return module_of(self.name)


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
    in_layer = LAYER.match(name)
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
    weight = f"{module_of(name)}.weight"
    return len(shapes.get(weight, shapes[name])) >= 2


def _check_layers(sites: Mapping[str, Site], num_layers: int) -> None:
    stacks = {match["stack"] for name in sites if (match := LAYER.match(name))}
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
