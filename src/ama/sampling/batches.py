"""Batches of rows of like length, and their division over the processes of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

_Result = TypeVar("_Result")


def batches_by_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Cut rows into batches that need little padding.

    Args:
        lengths: of each row.
        size: rows in a batch, 1 or more.

    Returns:
        The numbers of the rows, each once, the longest first: a batch that does not fit into memory is then
        met at once.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    return [order[begin : begin + size] for begin in range(0, len(order), size)]


def rank_and_size() -> tuple[int, int]:
    """Return this process's number and how many there are; (0, 1) where no group has been joined."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def gather(own: Mapping[int, _Result]) -> dict[int, _Result]:
    """Return what all processes have found, by the number of the batch, on each of them."""
    from torch import distributed

    size = rank_and_size()[1]
    if size == 1:
        return dict(own)
    parts: list[Mapping[int, _Result]] = [{}] * size
    distributed.all_gather_object(parts, own)
    return {number: result for part in parts for number, result in part.items()}
