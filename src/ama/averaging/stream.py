"""From a plan to a finished checkpoint: streamed by threads and ranks, recorded, renamed into place."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import xxhash
from torch import Tensor

from ama.averaging.chunks import Buffers, check_finite, mix_chunks, one_torch_thread
from ama.averaging.companions import copy_companions
from ama.averaging.layout import INDEX_NAME, Shard, index_json, lay_out, size_text
from ama.averaging.methods import MergeMethod
from ama.averaging.plan import MergePlan, PlannedTensor
from ama.averaging.record import TensorHashes, write_record
from ama.checkpoint.safetensors_file import ShardWriter
from ama.checkpoint.staging import check_target, real_path, staged_folder, staging_of, writing
from ama.errors import UserError
from ama.processes import MpiRanks
from ama.settings.merging import MergeSettings


@dataclass(frozen=True)
class _Stream:
    """What the threads of one process share.

    Attributes:
        method: how tensors are mixed.
        allow_nonfinite: write NaN and infinity instead of refusing them.
        on_bytes: called with the number of result bytes just written, from any thread.
        buffers: of each thread.
        hashes: of each tensor that is done, by name.
    """

    method: MergeMethod
    allow_nonfinite: bool
    on_bytes: Callable[[int], None]
    buffers: Buffers
    hashes: dict[str, TensorHashes]

    def merge(self, tensor: PlannedTensor, writer: ShardWriter) -> None:
        """Mix, check, write and hash one tensor chunk by chunk."""
        name, width = tensor.site.name, tensor.dtype.itemsize
        digests = xxhash.xxh3_128(), xxhash.xxh3_128(), xxhash.xxh3_128()
        for chunk in mix_chunks(tensor, self.method, self._target(tensor), self.buffers):
            if not self.allow_nonfinite:
                check_finite(tensor, chunk)
            data = _bytes(chunk.merged)
            writer.write(name, data, chunk.start * width)
            self.on_bytes(len(data))
            for digest, part in zip(digests, (_bytes(chunk.before), _bytes(chunk.after), data), strict=True):
                digest.update(part)
        before, after, merged = (digest.hexdigest() for digest in digests)
        self.hashes[name] = TensorHashes(before, after, merged)
        writer.finish_tensor()

    def _target(self, tensor: PlannedTensor) -> Callable[[int, int], Tensor]:
        def target(start: int, stop: int) -> Tensor:
            return torch.frombuffer(self.buffers.merged, dtype=tensor.dtype, count=stop - start)

        return target


def write_average(
    plan: MergePlan,
    target: Path,
    settings: MergeSettings,
    ranks: MpiRanks,
    on_bytes: Callable[[int], None] = lambda _: None,
    record: Mapping[str, Any] = MappingProxyType({}),
) -> list[str]:
    """Write the averaged checkpoint to `target`, together with the other ranks.

    Memory: three buffers of a chunk per thread, whatever the size of the model.

    Args:
        plan: what to write; the same on every rank.
        target: folder to make. It appears only when it is whole.
        settings: how to write it.
        ranks: the processes that share the work.
        on_bytes: called with the number of result bytes that this rank has just written, from any thread.
        record: the settings of the run, for ama_merge.json.

    Returns:
        Notes for the user, on rank 0.

    Raises:
        UserError: the target can't be written, the disk is full, an input broken, or the result not finite.
    """
    notes: list[str] = []
    inputs = [plan.before.folder, plan.after.folder]
    with ExitStack() as stack:
        with ranks.together():
            if ranks.rank == 0:
                check_target(target, inputs, overwrite=settings.overwrite)
                _check_space(plan, target)
                stack.enter_context(staged_folder(target))
        staging = staging_of(target)
        shards = lay_out(plan.tensors, settings.shard_bytes)
        with ranks.together(), writing(target):
            stream = _Stream(plan.method, settings.allow_nonfinite, on_bytes, Buffers(), {})
            threads = settings.threads or len(os.sched_getaffinity(0))
            _write_shards(shards_of_rank(shards, ranks.rank, ranks.size), staging, stream, threads)
        hashes = {name: value for part in ranks.gather(stream.hashes) for name, value in part.items()}
        with ranks.together(), writing(target):
            if ranks.rank == 0:
                if len(shards) > 1:
                    (staging / INDEX_NAME).write_text(index_json(shards), encoding="utf-8")
                notes = copy_companions(plan, staging, trust_remote_code=settings.trust_remote_code)
                write_record(plan, hashes, staging, record)
                # Somebody may have put something there in the meantime.
                check_target(target, inputs, overwrite=settings.overwrite)
    return notes


def _write_shards(shards: Sequence[Shard], folder: Path, stream: _Stream, threads: int) -> None:
    """Write weight files, synced to the disk; threads overlap reading, mixing, hashing and writing.

    Args:
        shards: the files.
        folder: where they go.
        stream: how tensors are mixed; gets their hashes.
        threads: at least 1.

    Raises:
        UserError: a non-finite result, or an input that can't be read.
        OSError: the result can't be written.
    """
    with one_torch_thread(), ExitStack() as stack:
        pool = ThreadPoolExecutor(threads)
        jobs: list[Future[None]] = []
        for shard in shards:
            writer = ShardWriter(
                folder / shard.name, {t.site.name: (t.dtype, t.shape) for t in shard.tensors}
            )
            stack.callback(writer.close)
            largest_first = sorted(shard.tensors, key=lambda tensor: -tensor.nbytes)
            jobs += [pool.submit(stream.merge, tensor, writer) for tensor in largest_first]
        # Called before the writers are closed, also when the wait is interrupted.
        stack.callback(pool.shutdown, cancel_futures=True)
        wait(jobs, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
        for job in jobs:
            if not job.cancelled():
                job.result()


def shards_of_rank(shards: Sequence[Shard], rank: int, size: int) -> list[Shard]:
    """Return one rank's shards: the largest first, each to the rank that has least to do."""
    loads = [0] * size
    mine = []
    for shard in sorted(shards, key=lambda shard: -shard.nbytes):
        least = loads.index(min(loads))
        loads[least] += shard.nbytes
        if least == rank:
            mine.append(shard)
    return mine


def _check_space(plan: MergePlan, target: Path) -> None:
    parent = next(folder for folder in real_path(target).parents if folder.exists())
    free = shutil.disk_usage(parent).free
    if plan.nbytes > free:
        raise UserError(
            f"the result needs {size_text(plan.nbytes)}, {parent} has {size_text(free)} free: "
            "free some space, or choose another output"
        )


def _bytes(values: Tensor) -> memoryview:
    return memoryview(values.view(torch.uint8).numpy().data)
