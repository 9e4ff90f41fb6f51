"""Batches of rows of like length."""

from __future__ import annotations

from collections.abc import Sequence


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
