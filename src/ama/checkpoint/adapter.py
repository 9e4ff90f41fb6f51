"""A PEFT LoRA adapter as the model after RLHF: before plus low-rank updates, never written out in full."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ama.checkpoint.folder import Checkpoint, read_json, read_weights
from ama.checkpoint.names import find_head
from ama.checkpoint.tensors import LowRankTensor, Source, StoredTensor
from ama.errors import UserError

_CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."
# Settings with which an adapter is more than the product of two matrices added to a weight of its base.
_EXTENSIONS = (
    "use_qalora",
    "use_bdlora",
    "lora_bias",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
)
# The other initialisations, such as PiSSA, change the base: the adapter is relative to weights not at hand.
_INITS = (None, True, False, "gaussian", "eva", "orthogonal")
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<factor>[AB])(\.weight)?")


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds a PEFT adapter and no whole model."""
    whole = [*folder.glob("model*.safetensors"), *folder.glob("pytorch_model*.bin")]
    return (folder / _CONFIG).is_file() and not whole


def apply_adapter(before: Checkpoint, folder: Path, label: str, revision: str | None = None) -> Checkpoint:
    """Return the model that a LoRA adapter makes of `before`.

    Args:
        before: the model that the adapter was trained on.
        folder: the adapter's folder, as PEFT saves it.
        label: how the user named it.
        revision: the hub's commit, None for a local folder.

    Raises:
        UserError: not LoRA, a variant of it such as DoRA, or tensors that do not fit `before`.
    """
    config = read_json(folder / _CONFIG)
    if (kind := _kind(config)) != "LoRA":
        raise UserError(
            f"adapter {folder} is {kind}: only plain LoRA can be averaged; merge it into its base first"
        )
    stored = read_weights(folder, "adapter_model.safetensors", "adapter_model.bin")
    factors: dict[tuple[str, bool], dict[str, StoredTensor]] = {}
    tensors: dict[str, Source] = dict(before.tensors)
    for key, tensor in stored.items():
        name = key.removeprefix(_PREFIX).replace(".base_layer.", ".")
        if match := _FACTOR.fullmatch(name):
            factors.setdefault((match["module"], bool(match["embedding"])), {})[match["factor"]] = tensor
        else:
            # A head trained on its own, beside a base that ties it to the token table, is no stranger.
            own_head = find_head([name]) is not None and find_head(before.tensors) is None
            tensors[name if own_head else _existing(name, before, folder)] = tensor
    for (module, embedding), pair in factors.items():
        name = _existing(f"{module}.weight", before, folder)
        transposed = embedding or bool(config.get("fan_in_fan_out"))
        tensors[name] = _update(tensors[name], pair, _alpha(config, module), config, transposed, name)
    return Checkpoint(folder, label, before.config, tensors, revision)


def _kind(config: Mapping[str, Any]) -> str:
    if config.get("peft_type") != "LORA":
        return str(config.get("peft_type"))
    if config.get("use_dora"):
        return "DoRA"
    for key in _EXTENSIONS:
        if config.get(key):
            return f"LoRA with {key}"
    init = config.get("init_lora_weights")
    return "LoRA" if init in _INITS else f"LoRA with init_lora_weights '{init}'"


def _existing(name: str, before: Checkpoint, folder: Path) -> str:
    if name not in before.tensors:
        raise UserError(
            f"{folder} changes '{name}', which {before.label} lacks: it is an adapter of another model"
        )
    return name


def _update(
    base: Source,
    pair: Mapping[str, StoredTensor],
    alpha: float,
    config: Mapping[str, Any],
    transposed: bool,
    name: str,
) -> LowRankTensor:
    if pair.keys() != {"A", "B"} or not isinstance(base, StoredTensor):
        raise UserError(f"the adapter holds only one of the two LoRA factors of '{name}': save it again")
    down, up = pair["A"], pair["B"]
    if not (len(down.shape) == len(up.shape) == 2 and down.nbytes and up.nbytes):
        raise UserError(
            f"the LoRA factors of '{name}' are {list(down.shape)} and {list(up.shape)}, no two matrices: "
            "save the adapter again, of a ZeRO-3 run gathered"
        )
    made = (up.shape[0], down.shape[1])
    if down.shape[0] != up.shape[1] or base.shape != (made[::-1] if transposed else made):
        raise UserError(f"the LoRA update of '{name}' is {list(made)}, before's weight {list(base.shape)}")
    scale = alpha / (math.sqrt(down.shape[0]) if config.get("use_rslora") else down.shape[0])
    left, right = (down, up) if transposed else (up, down)
    return LowRankTensor(base, left, right, scale, transposed)


def _alpha(config: Mapping[str, Any], module: str) -> float:
    try:
        for pattern, alpha in (config.get("alpha_pattern") or {}).items():
            if re.fullmatch(rf"(.*\.)?({pattern})", module):
                return float(alpha)
        return float(config["lora_alpha"])
    except (AttributeError, KeyError, TypeError, ValueError, re.error) as error:
        raise UserError(
            f"{_CONFIG} gives '{module}' no scale: lora_alpha is {config.get('lora_alpha')!r}, alpha_pattern "
            f"{config.get('alpha_pattern')!r}; PEFT writes a number and a mapping of patterns to numbers"
        ) from error
