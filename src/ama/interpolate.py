"""Average a checkpoint before RLHF with one after it, plainly or part by part, into a new checkpoint."""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from ama.checkpoint.ranks import Ranks
from ama.checkpoint.schedule_file import read_schedule
from ama.console import Parser, positive_int, run, track_bytes
from ama.console.run import USER_ERROR
from ama.core.errors import UserError
from ama.core.schedule import Schedule, Scope
from ama.core.split_tag import check_tag, parse_ratio

_DESCRIPTION = """\
merged = ratio * before + (1 - ratio) * after, ratio in [0, 1]: 0 is the model after RLHF, 1 the one before.

Plain averaging:      --alpha 0.3
Part-wise averaging:  --alpha 0.3 --schedule 'split|10#20|0.4|0.3|0.2'
                      layers 0-10 and the embeddings get 0.4, layers 11-20 0.3, the others 0.2; the final
                      norm and the head get alpha (split0 in place of split: the head gets 0)
By a file:            --schedule configs/ama/llama_7b_split.yaml
The output's name may hold the split tag instead, as in pma_0.3_sft_split|10#20|0.4|0.3|0.2_rlhf."""


def _parser() -> Parser:
    parser = Parser("interpolate", _DESCRIPTION)
    add = parser.add_argument
    add("--before", required=True, metavar="MODEL", help="checkpoint before RLHF: folder or hub id")
    add(
        "--after",
        required=True,
        metavar="MODEL",
        help="checkpoint after RLHF: folder, hub id or LoRA adapter",
    )
    add("--alpha", metavar="RATIO", help="weight of before, in [0, 1]")
    add(
        "--schedule",
        metavar="S",
        help="split tag or YAML file; by default the save name's, else plain averaging",
    )
    add(
        "--scope",
        choices=[str(scope) for scope in Scope],
        default=str(Scope.ALL),
        help="linear: average linear maps only, take all else from before",
    )
    add("--out", required=True, metavar="DIR", help="folder to write; its name may hold a split tag")
    add("--tag0", default="", help="name of before within the save name, checked for reserved characters")
    add("--tag1", default="", help="name of after within the save name, checked for reserved characters")
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
    return parser


def main() -> int:
    """Read the command line and merge."""
    ranks = Ranks()
    try:
        with ranks.together():
            arguments = _parser().parse_args()
            out = Path(os.path.expanduser(arguments.out))
            schedule = _schedule(arguments, out.name)
        _merge(arguments, schedule, out, ranks)
    except UserError:
        if ranks.rank == 0:
            raise
        return USER_ERROR
    return 0


def _schedule(arguments: argparse.Namespace, save_name: str) -> Schedule:
    check_tag(arguments.tag0, "--tag0")
    check_tag(arguments.tag1, "--tag1")
    alpha = None if arguments.alpha is None else parse_ratio(arguments.alpha, "--alpha")
    return read_schedule(alpha, arguments.schedule, save_name, Scope(arguments.scope))


def _merge(arguments: argparse.Namespace, schedule: Schedule, out: Path, ranks: Ranks) -> None:
    # Imported here: torch takes seconds to load, which --help and a malformed schedule need not wait for.
    import torch

    from ama.checkpoint.average import WriteOptions, write_average
    from ama.checkpoint.compatibility import VocabularyMismatch
    from ama.checkpoint.layout import parse_size, size_text
    from ama.checkpoint.plan import plan_merge
    from ama.checkpoint.resolve import open_pair

    with ranks.together():
        max_shard_size = parse_size(arguments.max_shard_size)
        revisions = (
            arguments.before_revision or arguments.revision,
            arguments.after_revision or arguments.revision,
        )
        before, after = open_pair(arguments.before, arguments.after, revisions)
        dtype = getattr(torch, arguments.dtype) if arguments.dtype else None
        plan = plan_merge(before, after, schedule, dtype, VocabularyMismatch(arguments.vocab_mismatch))
    if ranks.rank == 0:
        _say(plan.notes)
    if arguments.dry_run:
        if ranks.rank == 0:
            from ama.report.ratio_table import print_ratios

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


if __name__ == "__main__":
    run(main)
