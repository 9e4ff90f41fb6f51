"""What the merging commands share: options for inputs and output, and the way from schedule to checkpoint."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ama.averaging.schedules.grammar import SiteCheck
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.sites import find_sites
from ama.console import Parser, heavy_imports, positive_int, track_bytes
from ama.console.run import USER_ERROR
from ama.errors import UserError
from ama.processes import MpiRanks


def add_inputs(parser: Parser) -> None:
    """Add the options that name the two models."""
    add = parser.add_argument
    add("--before", required=True, metavar="MODEL", help="checkpoint before RLHF: folder or hub id")
    add(
        "--after",
        required=True,
        metavar="MODEL",
        help="checkpoint after RLHF: folder, hub id or LoRA adapter",
    )


def add_merge_options(parser: Parser) -> None:
    """Add the options that say how the models are read and the result is written."""
    add = parser.add_argument
    add(
        "--dtype",
        choices=["float32", "bfloat16", "float16"],
        help="dtype of the result; by default the narrowest that holds both inputs exactly",
    )
    add("--max_shard_size", default="5GB", metavar="SIZE", help="largest weight file")
    add(
        "--vocab_mismatch",
        choices=["error", "keep_extra"],
        default="error",
        help="keep_extra: average the common token rows and keep the others",
    )
    add("--allow_nonfinite", action="store_true", help="write NaN and infinity instead of refusing them")
    add(
        "--trust_remote_code",
        action="store_true",
        help="copy the model's own Python files into the result; none is run",
    )
    add("--revision", help="branch, tag or commit of both hub ids")
    add("--before_revision", help="the same for before alone")
    add("--after_revision", help="the same for after alone")
    add(
        "--overwrite",
        action="store_true",
        help="replace an earlier result at --out, once the new one is whole",
    )
    add("--threads", type=positive_int, help="threads that read, mix and write; by default one per core")
    add(
        "--dry_run",
        action="store_true",
        help="check everything and print the ratio of every tensor; write nothing",
    )


class Wanted(NamedTuple):
    """What is to be merged.

    Attributes:
        before: the model before RLHF: folder or hub id.
        after: the model after RLHF.
        schedule: the ratios.
        check: a check of the schedule's own, if there is one, that it fits before's parameters.
    """

    before: str
    after: str
    schedule: Schedule
    check: SiteCheck | None


def merge_command(parser: Parser, read: Callable[[Namespace, str], Wanted]) -> int:
    """Read the command line and merge, together with the other ranks.

    Args:
        parser: has the options of `add_merge_options` and `--out`.
        read: returns from the options and the output's name what is to be merged.

    Returns:
        The exit status.

    Raises:
        UserError: on rank 0, a mistake in the input.
    """
    ranks = MpiRanks()
    try:
        with ranks.together():
            arguments = parser.parse_args()
            out = Path(os.path.expanduser(arguments.out))
            wanted = read(arguments, out.name)
        _merge(arguments, wanted, out, ranks)
    except UserError:
        if ranks.rank == 0:
            raise
        return USER_ERROR
    return 0


def _merge(arguments: Namespace, wanted: Wanted, out: Path, ranks: MpiRanks) -> None:
    # Imported here: torch takes seconds to load, which --help and a malformed schedule need not wait for.
    with heavy_imports():
        import torch

        from ama.averaging.compatibility import VocabularyMismatch
        from ama.averaging.layout import parse_size, size_text
        from ama.averaging.plan import plan_merge
        from ama.averaging.write import WriteOptions, write_average
        from ama.checkpoint.resolve import open_pair

    with ranks.together():
        max_shard_size = parse_size(arguments.max_shard_size)
        revisions = (
            arguments.before_revision or arguments.revision,
            arguments.after_revision or arguments.revision,
        )
        before, after = open_pair(wanted.before, wanted.after, revisions)
        if wanted.check:
            shapes = {name: tensor.shape for name, tensor in before.tensors.items()}
            wanted.check(find_sites(shapes, before.num_layers).values())
        dtype = getattr(torch, arguments.dtype) if arguments.dtype else None
        plan = plan_merge(before, after, wanted.schedule, dtype, VocabularyMismatch(arguments.vocab_mismatch))
    if ranks.rank == 0:
        _say(plan.notes)
    if arguments.dry_run:
        if ranks.rank == 0:
            from ama.averaging.ratio_table import print_ratios

            print_ratios(plan)
        return
    options = WriteOptions(
        max_shard_size=max_shard_size,
        threads=arguments.threads or len(os.sched_getaffinity(0)),
        overwrite=arguments.overwrite,
        allow_nonfinite=arguments.allow_nonfinite,
        trust_remote_code=arguments.trust_remote_code,
    )
    with track_bytes(f"writing {out.name}", plan.nbytes // ranks.size, shown=ranks.rank == 0) as on_bytes:
        notes = write_average(plan, out, options, ranks, on_bytes)
    if ranks.rank == 0:
        _say([*notes, f"{out}: {size_text(plan.nbytes)}, mean ratio {plan.mean_ratio:.4f}"])


def _say(lines: Iterable[str]) -> None:
    sys.stderr.writelines(f"{line}\n" for line in lines)
