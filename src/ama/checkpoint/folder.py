"""A checkpoint folder: its configuration and where each of its tensors lies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ama.checkpoint.bin_file import read_index
from ama.checkpoint.json_text import parse_object
from ama.checkpoint.names import full_name, is_derived_buffer
from ama.checkpoint.safetensors_file import read_header
from ama.checkpoint.tensors import Source, StoredTensor
from ama.errors import UserError

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
        path = self.folder / "config.json"
        key = next((key for key in _DEPTH_KEYS if key in self.config), None)
        if key is None:
            raise UserError(f"{path} states no number of layers (none of {', '.join(_DEPTH_KEYS)})")
        layers = self.config[key]
        if type(layers) is not int or layers < 1:
            raise UserError(f"{path}: {key} is {layers!r}, which is no number of layers")
        return layers


def read_checkpoint(folder: Path, label: str, revision: str | None = None) -> Checkpoint:
    """Open a checkpoint folder without reading its weights.

    Raises:
        UserError: no config.json, no weights, a missing shard, an empty tensor, a broken or unsafe file.
    """
    config = read_json(folder / "config.json")
    found = read_weights(folder, "model.safetensors", "pytorch_model.bin")
    tensors = {full_name(name): tensor for name, tensor in found.items() if not is_derived_buffer(name)}
    for name, tensor in tensors.items():
        if not tensor.nbytes:
            raise UserError(
                f"tensor '{name}' of {label} is empty, {list(tensor.shape)}: it was saved without its data, "
                "as by one rank of ZeRO-3; save the model again"
            )
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
        return parse_object(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: give a folder that save_pretrained wrote, or a hub id") from None
    except ValueError as error:
        raise UserError(f"{path} holds no JSON object ({error}): save or download it again") from error


def _read_shards(index: Path, read: _Reader) -> dict[str, StoredTensor]:
    weight_map = read_json(index).get("weight_map")
    if (
        not isinstance(weight_map, dict)
        or not weight_map
        or not all(isinstance(shard, str) for shard in weight_map.values())
    ):
        raise UserError(f"{index} holds no 'weight_map' from tensor names to files: download it again")
    shards: dict[str, dict[str, StoredTensor]] = {}
    for shard in dict.fromkeys(weight_map.values()):
        if Path(shard).name != shard or shard in ("", ".", ".."):
            raise UserError(
                f"{index} names '{shard}', which is not a file of its own folder: correct the name"
            )
        if not (index.parent / shard).is_file():
            raise UserError(
                f"{index.parent / shard} is missing, though {index.name} names it: download it again"
            )
        shards[shard] = read(index.parent / shard)
    missing = [name for name, shard in weight_map.items() if name not in shards[shard]]
    if missing:
        raise UserError(
            f"tensor '{missing[0]}' is not in {weight_map[missing[0]]}, though {index} says so: "
            "download both again"
        )
    return {name: shards[shard][name] for name, shard in weight_map.items()}
