"""The streaming merge: read rows of both models, mix, check, hash, write; threads overlap the four."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import xxhash
from torch import Tensor

from ama.averaging.interpolate import all_finite, mix_into
from ama.averaging.layout import Shard
from ama.averaging.plan import PlannedTensor
from ama.checkpoint.safetensors_file import ShardWriter
from ama.checkpoint.tensors import Source, row_length
from ama.errors import UserError

CHUNK_BYTES = 2 << 20
"""Bytes of the widest input or output that a thread handles at a time: small enough for a core's cache."""


@dataclass(frozen=True)
class TensorHashes:
    """XXH3-128 of a tensor's bytes, in hexadecimal, in both inputs and in the result."""

    before: str
    after: str
    merged: str


class Buffers(threading.local):
    """Three chunk buffers per thread, kept from tensor to tensor."""

    def __init__(self) -> None:
        """Make buffers of one chunk; `hold` makes them longer where rows are."""
        self.before, self.after, self.merged = (bytearray(CHUNK_BYTES) for _ in range(3))

    def hold(self, size: int) -> None:
        """Make each buffer at least `size` bytes long, for rows longer than a chunk."""
        if len(self.merged) < size:
            self.before, self.after, self.merged = (bytearray(size) for _ in range(3))


def write_shards(
    shards: Sequence[Shard],
    folder: Path,
    *,
    threads: int,
    allow_nonfinite: bool = False,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> dict[str, TensorHashes]:
    """Mix the tensors of some shards and write their files, synced to the disk.

    Memory: three buffers of CHUNK_BYTES per thread, whatever the size of the model.

    Args:
        shards: the files to write.
        folder: where they go.
        threads: how many threads read, mix and write, at least 1.
        allow_nonfinite: write NaN and infinity instead of refusing them.
        on_bytes: called with the number of result bytes just written, from any thread.

    Returns:
        The hashes of each tensor, by name.

    Raises:
        UserError: a non-finite result, or an input that can't be read.
        OSError: the result can't be written.
    """
    buffers = Buffers()
    hashes: dict[str, TensorHashes] = {}

    def merge_one(tensor: PlannedTensor, writer: ShardWriter) -> None:
        def write(data: memoryview, offset: int) -> None:
            writer.write(tensor.site.name, data, offset)
            on_bytes(len(data))

        hashes[tensor.site.name] = merge_tensor(tensor, write, buffers, allow_nonfinite=allow_nonfinite)
        writer.finish_tensor()

    with one_torch_thread(), ExitStack() as stack:
        pool = ThreadPoolExecutor(threads)
        jobs: list[Future[None]] = []
        for shard in shards:
            writer = ShardWriter(
                folder / shard.name, {t.site.name: (t.dtype, t.shape) for t in shard.tensors}
            )
            stack.callback(writer.close)
            largest_first = sorted(shard.tensors, key=lambda tensor: -tensor.nbytes)
            jobs += [pool.submit(merge_one, tensor, writer) for tensor in largest_first]
        # Called before the writers are closed, also when the wait is interrupted.
        stack.callback(pool.shutdown, cancel_futures=True)
        wait(jobs, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
        for job in jobs:
            if not job.cancelled():
                job.result()
    return hashes


def merge_tensor(
    tensor: PlannedTensor,
    write: Callable[[memoryview, int], None],
    buffers: Buffers,
    *,
    allow_nonfinite: bool = False,
) -> TensorHashes:
    """Mix one tensor chunk by chunk.

    Args:
        tensor: what to mix.
        write: called with the bytes of each chunk, which it must not keep, and their place in the tensor.
        buffers: to read and mix in.
        allow_nonfinite: let NaN and infinity pass.

    Raises:
        UserError: a non-finite result, or an input that can't be read.
    """
    hashes = xxhash.xxh3_128(), xxhash.xxh3_128(), xxhash.xxh3_128()
    for start, stop in _chunks(tensor, buffers):
        values = [
            _read(source, start, stop, buffer)
            for source, buffer in ((tensor.before, buffers.before), (tensor.after, buffers.after))
        ]
        count = (stop - start) * row_length(tensor.shape)
        merged = torch.frombuffer(buffers.merged, dtype=tensor.dtype, count=count)
        if stop <= tensor.common_rows:
            mix_into(merged, values[0], values[1], tensor.ratio)
        else:
            merged.copy_(max(values, key=torch.Tensor.numel))
        if not allow_nonfinite and tensor.dtype.is_floating_point and not all_finite(merged):
            raise UserError(
                f"tensor '{tensor.site.name}' of the result is not finite: look for NaN, infinity or values "
                f"beyond {str(tensor.dtype).removeprefix('torch.')} in the inputs, or give --allow_nonfinite"
            )
        data = memoryview(buffers.merged)[: count * tensor.dtype.itemsize]
        write(data, start * row_length(tensor.shape) * tensor.dtype.itemsize)
        for digest, chunk in zip(hashes, (*map(_bytes, values), data), strict=True):
            digest.update(chunk)
    before, after, merged_hash = (digest.hexdigest() for digest in hashes)
    return TensorHashes(before, after, merged_hash)


def _chunks(tensor: PlannedTensor, buffers: Buffers) -> Iterator[tuple[int, int]]:
    """Yield row spans that fit a buffer; a span ends where the inputs' common rows end."""
    widest = max(tensor.dtype.itemsize, tensor.before.dtype.itemsize, tensor.after.dtype.itemsize)
    row_bytes = row_length(tensor.shape) * widest
    buffers.hold(row_bytes)
    step = max(1, CHUNK_BYTES // row_bytes)
    for first, last in ((0, tensor.common_rows), (tensor.common_rows, tensor.rows)):
        for start in range(first, last, step):
            yield start, min(start + step, last)


def _read(source: Source, start: int, stop: int, buffer: bytearray) -> Tensor:
    rows = math.prod(source.shape) // row_length(source.shape)
    return source.read(start, min(stop, rows), buffer) if start < rows else torch.empty(0, dtype=source.dtype)


def _bytes(values: Tensor) -> memoryview:
    return memoryview(values.view(torch.uint8).numpy().data)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let our own threads be the only parallelism: several small mixes beat one divided one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
