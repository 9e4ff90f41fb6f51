"""From a plan to a finished checkpoint folder: staged, shared over ranks, recorded, renamed into place."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ama.averaging.companions import copy_companions
from ama.averaging.layout import INDEX_NAME, Shard, index_json, lay_out, size_text
from ama.averaging.merge import TensorHashes, write_shards
from ama.averaging.plan import MergePlan
from ama.averaging.record import write_record
from ama.checkpoint.staging import check_target, real_path, staged_folder, staging_of, writing
from ama.errors import UserError
from ama.processes import MpiRanks


@dataclass(frozen=True)
class WriteOptions:
    """How a result is written.

    Attributes:
        max_shard_size: bytes of the largest weight file.
        threads: threads per rank.
        overwrite: replace an earlier result.
        allow_nonfinite: write NaN and infinity instead of refusing them.
        trust_remote_code: copy the model's own Python files.
    """

    max_shard_size: int
    threads: int
    overwrite: bool = False
    allow_nonfinite: bool = False
    trust_remote_code: bool = False


def write_average(
    plan: MergePlan, target: Path, options: WriteOptions, ranks: MpiRanks, on_bytes: Callable[[int], None]
) -> list[str]:
    """Write the averaged checkpoint to `target`, together with the other ranks.

    Args:
        plan: what to write; the same on every rank.
        target: folder to make. It appears only when it is whole.
        options: how to write it.
        ranks: the processes that share the work.
        on_bytes: called with the number of result bytes that this rank has just written.

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
                check_target(target, inputs, overwrite=options.overwrite)
                _check_space(plan, target)
                stack.enter_context(staged_folder(target))
        staging = staging_of(target)
        shards = lay_out(plan.tensors, options.max_shard_size)
        with ranks.together(), writing(target):
            hashes = write_shards(
                _share(shards, ranks),
                staging,
                threads=options.threads,
                allow_nonfinite=options.allow_nonfinite,
                on_bytes=on_bytes,
            )
        all_hashes = {name: value for part in ranks.gather(hashes) for name, value in part.items()}
        with ranks.together(), writing(target):
            if ranks.rank == 0:
                notes = _finish(plan, shards, all_hashes, staging, options)
                # Somebody may have put something there in the meantime.
                check_target(target, inputs, overwrite=options.overwrite)
    return notes


def _share(shards: tuple[Shard, ...], ranks: MpiRanks) -> list[Shard]:
    """Return this rank's shards: the largest first, each to the rank that has least to do."""
    loads = [0] * ranks.size
    mine = []
    for shard in sorted(shards, key=lambda shard: -shard.nbytes):
        rank = loads.index(min(loads))
        loads[rank] += shard.nbytes
        if rank == ranks.rank:
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


def _finish(
    plan: MergePlan,
    shards: tuple[Shard, ...],
    hashes: dict[str, TensorHashes],
    staging: Path,
    options: WriteOptions,
) -> list[str]:
    if len(shards) > 1:
        (staging / INDEX_NAME).write_text(index_json(shards), encoding="utf-8")
    notes = copy_companions(plan, staging, trust_remote_code=options.trust_remote_code)
    write_record(plan, hashes, staging)
    return notes
