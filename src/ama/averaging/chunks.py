"""Mix one planned tensor chunk by chunk: what every engine does, to the disk or to memory."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from ama.averaging.methods import MergeMethod
from ama.averaging.plan import PlannedTensor
from ama.checkpoint.tensors import Source, row_length
from ama.errors import UserError

CHUNK_BYTES = 2 << 20
"""Bytes of the widest input or output that a thread handles at a time: small enough for a core's cache."""


class Chunk(NamedTuple):
    """A run of mixed elements.

    Attributes:
        start: how many elements of the tensor come before it.
        before: before's elements, flat; empty where before has none.
        after: after's elements.
        merged: the result's, in the tensor that `mix_chunks` was given for them.
    """

    start: int
    before: Tensor
    after: Tensor
    merged: Tensor


class Buffers(threading.local):
    """Three chunk buffers per thread, and a fourth where ratios are read, kept from tensor to tensor."""

    def __init__(self) -> None:
        """Make buffers of one chunk; `hold` makes them longer where rows are."""
        self.before, self.after, self.merged = (bytearray(CHUNK_BYTES) for _ in range(3))
        self.ratios = bytearray()

    def hold(self, size: int) -> None:
        """Make each buffer at least `size` bytes long, for rows longer than a chunk."""
        if len(self.merged) < size:
            self.before, self.after, self.merged = (bytearray(size) for _ in range(3))

    def hold_ratios(self) -> None:
        """Make the buffer of ratios as long as the others."""
        if len(self.ratios) < len(self.merged):
            self.ratios = bytearray(len(self.merged))


def mix_chunks(
    tensor: PlannedTensor, method: MergeMethod, target: Callable[[int, int], Tensor], buffers: Buffers
) -> Iterator[Chunk]:
    """Mix one tensor, in memory that does not grow with it.

    Args:
        tensor: what to mix.
        method: how.
        target: returns the flat tensor that takes the elements from the first number to the second, excluded.
        buffers: to read in.

    Yields:
        Each chunk, which must be used before the next is asked for.

    Raises:
        UserError: an input can't be read.
    """
    width = row_length(tensor.shape)
    buffers.hold(_row_bytes(tensor))
    if tensor.ratios is not None:
        buffers.hold_ratios()
    sums = _sums(tensor, method, buffers)
    for first, last in ((0, tensor.common_rows), (tensor.common_rows, tensor.rows)):
        # Further rows than both inputs have are copied from the one that has them.
        for start, stop in _spans(tensor, first, last):
            before, after = _read_both(tensor, start, stop, buffers)
            merged = target(start * width, stop * width)
            if first == 0:
                method.mix(merged, before, after, _ratios(tensor, start, stop, buffers), sums)
            else:
                merged.copy_(max(before, after, key=Tensor.numel))
            yield Chunk(start * width, before, after, merged)


def check_finite(tensor: PlannedTensor, chunk: Chunk) -> None:
    """Raise UserError if a chunk of the result holds NaN or infinity."""
    if tensor.dtype.is_floating_point and not all_finite(chunk.merged):
        raise UserError(
            f"tensor '{tensor.site.name}' of the result is not finite: look for NaN, infinity or values "
            f"beyond {str(tensor.dtype).removeprefix('torch.')} in the inputs, or give --allow_nonfinite"
        )


def all_finite(values: Tensor) -> bool:
    """Tell whether a floating tensor of shape (n,), n > 0, holds neither NaN nor infinity."""
    low, high = torch.aminmax(values)
    return bool(torch.isfinite(low)) and bool(torch.isfinite(high))


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let our own threads be the only parallelism: several small mixes beat one divided one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _sums(tensor: PlannedTensor, method: MergeMethod, buffers: Buffers) -> Tensor | None:
    """Make the first pass over the rows that both inputs have, where the method wants one."""
    if method.sums is None or tensor.ratio in (0, 1) or not tensor.common_rows:
        return None
    spans = _spans(tensor, 0, tensor.common_rows)
    parts = [method.sums(*_read_both(tensor, start, stop, buffers)) for start, stop in spans]
    return torch.stack(parts).sum(0)


def _spans(tensor: PlannedTensor, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield row spans that fit a buffer."""
    step = max(1, CHUNK_BYTES // _row_bytes(tensor))
    for start in range(first, last, step):
        yield start, min(start + step, last)


def _row_bytes(tensor: PlannedTensor) -> int:
    widest = max(tensor.dtype.itemsize, tensor.before.dtype.itemsize, tensor.after.dtype.itemsize)
    if tensor.ratios is not None:
        widest = max(widest, tensor.ratios.dtype.itemsize)
    return row_length(tensor.shape) * widest


def _read_both(tensor: PlannedTensor, start: int, stop: int, buffers: Buffers) -> tuple[Tensor, Tensor]:
    return _read(tensor.before, start, stop, buffers.before), _read(tensor.after, start, stop, buffers.after)


def _ratios(tensor: PlannedTensor, start: int, stop: int, buffers: Buffers) -> Tensor | float:
    """Return the ratio of some rows: a number, or shape (rows, 1), (1, row) or (rows, row)."""
    source = tensor.ratios
    if source is None:
        return tensor.ratio
    width = row_length(source.shape)
    if math.prod(source.shape) == width != math.prod(tensor.shape):
        # Of columns: the same for every row.
        start, stop = 0, 1
    return source.read(start, stop, buffers.ratios).view(stop - start, width)


def _read(source: Source, start: int, stop: int, buffer: bytearray) -> Tensor:
    rows = math.prod(source.shape) // row_length(source.shape)
    return source.read(start, min(stop, rows), buffer) if start < rows else torch.empty(0, dtype=source.dtype)
