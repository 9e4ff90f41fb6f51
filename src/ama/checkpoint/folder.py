"""A checkpoint folder: its configuration and where each of its tensors lies."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ama.checkpoint.bin_file import read_index
from ama.checkpoint.safetensors_file import read_header
from ama.checkpoint.tensors import Source, StoredTensor
from ama.core.errors import UserError
from ama.core.sites import is_derived_buffer

_Reader = Callable[[Path], dict[str, StoredTensor]]
_DEPTH_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")


@dataclass(frozen=True)
class Checkpoint:
    """A model that can be read tensor by tensor.

    Attributes:
        folder: where its files lie.
        label: how the user named it: a path or a hub id.
        config: config.json.
        tensors: every parameter by name; constants that old checkpoints store are left out.
        revision: the hub's commit, None for a local folder.
    """

    folder: Path
    label: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Source]
    revision: str | None = None

    @property
    def num_layers(self) -> int:
        """The number of transformer layers that the configuration states.

        Raises:
            UserError: config.json states none.
        """
        for key in _DEPTH_KEYS:
            if key in self.config:
                return int(self.config[key])
        raise UserError(
            f"{self.folder / 'config.json'} states no number of layers (none of {', '.join(_DEPTH_KEYS)})"
        )


def read_checkpoint(folder: Path, label: str, revision: str | None = None) -> Checkpoint:
    """Open a checkpoint folder without reading its weights.

    Raises:
        UserError: no config.json, no weights, a missing shard, a broken or unsafe file.
    """
    config = read_json(folder / "config.json")
    found = read_weights(folder, "model.safetensors", "pytorch_model.bin")
    tensors = {name: tensor for name, tensor in found.items() if not is_derived_buffer(name)}
    return Checkpoint(folder, label, config, tensors, revision)


def read_weights(folder: Path, safetensors_name: str, bin_name: str) -> dict[str, StoredTensor]:
    """Find the tensors of a folder: one safetensors file, safetensors shards, one .bin file, .bin shards.

    Raises:
        UserError: none of the four is there, or what is there is broken.
    """
    candidates: tuple[tuple[str, _Reader], ...] = ((safetensors_name, read_header), (bin_name, read_index))
    for name, read in candidates:
        if (folder / name).is_file():
            return read(folder / name)
        if (folder / f"{name}.index.json").is_file():
            return _read_shards(folder / f"{name}.index.json", read)
    raise UserError(
        f"{folder} holds no weights: neither {safetensors_name} nor {bin_name}, single or sharded"
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        UserError: the file is missing or holds no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: give a folder that save_pretrained wrote, or a hub id") from None
    except ValueError as error:
        raise UserError(f"{path} is no JSON file: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object")
    return content


def _read_shards(index: Path, read: _Reader) -> dict[str, StoredTensor]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise UserError(f"{index} holds no 'weight_map'")
    shards: dict[str, dict[str, StoredTensor]] = {}
    for shard in dict.fromkeys(map(str, weight_map.values())):
        if Path(shard).name != shard or shard in (".", ".."):
            raise UserError(f"{index} names '{shard}', which is not a file of its own folder")
        if not (index.parent / shard).is_file():
            raise UserError(
                f"{index.parent / shard} is missing, though {index.name} names it: download it again"
            )
        shards[shard] = read(index.parent / shard)
    missing = [name for name, shard in weight_map.items() if name not in shards[shard]]
    if missing:
        raise UserError(f"tensor '{missing[0]}' is not in {weight_map[missing[0]]}, though {index} says so")
    return {name: shards[shard][name] for name, shard in weight_map.items()}
