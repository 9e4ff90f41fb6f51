"""How the result's tensors are laid out over safetensors files, and the index that lists them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rich.filesize import decimal

from ama.averaging.plan import PlannedTensor

INDEX_NAME = "model.safetensors.index.json"


@dataclass(frozen=True)
class Shard:
    """One weight file of the result.

    Attributes:
        name: file name.
        tensors: what it holds.
    """

    name: str
    tensors: tuple[PlannedTensor, ...]

    @property
    def nbytes(self) -> int:
        """Size of its tensors in bytes."""
        return sum(tensor.nbytes for tensor in self.tensors)


def size_text(nbytes: int) -> str:
    """Write a number of bytes for people, such as `2.20 GB`."""
    return decimal(nbytes, precision=2)


def lay_out(tensors: Sequence[PlannedTensor], max_shard_size: int) -> tuple[Shard, ...]:
    """Share out tensors to files in order; one larger than `max_shard_size` bytes gets its own file."""
    groups: list[list[PlannedTensor]] = [[]]
    size = 0
    for tensor in tensors:
        if groups[-1] and size + tensor.nbytes > max_shard_size:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += tensor.nbytes
    if len(groups) == 1:
        return (Shard("model.safetensors", tuple(groups[0])),)
    names = (f"model-{number:05d}-of-{len(groups):05d}.safetensors" for number in range(1, len(groups) + 1))
    return tuple(Shard(name, tuple(group)) for name, group in zip(names, groups, strict=True))


def index_json(shards: Sequence[Shard]) -> str:
    """Return the index of a sharded checkpoint, as transformers reads it."""
    weight_map = {tensor.site.name: shard.name for shard in shards for tensor in shard.tensors}
    total = sum(shard.nbytes for shard in shards)
    return json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2) + "\n"
