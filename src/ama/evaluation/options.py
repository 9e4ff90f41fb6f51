"""The options that evaluations share: what is measured, how, and where the rows go."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Literal

from ama.console import Parser, positive_int
from ama.settings.merging import Scope

DTYPES = ("auto", "float32", "bfloat16", "float16")
BatchSize = int | Literal["auto"]


def add_subjects(parser: Parser) -> None:
    """Add the options that `ama.evaluation.subject.subjects_of` reads."""
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        metavar="MODEL",
        help="what to measure: folders, hub ids, LoRA adapters (merged into their base in memory)",
    )
    add("--before", metavar="MODEL", help="or averages made in memory: the model before RLHF,")
    add("--after", metavar="MODEL", help="the model after RLHF, which may be a LoRA adapter on before,")
    add(
        "--schedule",
        nargs="+",
        metavar="S",
        help="and a schedule for each average: a ratio, split tag, YAML file or mask_alphas.bin",
    )
    add(
        "--alpha", metavar="RATIO", help="final norm's and head's ratio of split tags; mean of learned ratios"
    )
    add(
        "--scope",
        choices=[str(scope) for scope in Scope],
        default=str(Scope.ALL),
        help="linear: average linear maps only, take all else from before; a learned mask has its own",
    )


def add_scoring(parser: Parser) -> None:
    """Add the options that say where the rows go, and in which type the weights are loaded."""
    add = parser.add_argument
    add("--scores", type=Path, required=True, metavar="FILE", help="file of scores to append to")
    add("--rerun", action="store_true", help="measure again what was measured before")
    add("--dtype", choices=DTYPES, default="auto", help="of the weights; auto: the checkpoint's own")


def add_measuring(parser: Parser, batch_size: BatchSize, seed: int | None) -> None:
    """Add the options of evaluations on data sets, with these defaults."""
    add_drawing(parser, seed)
    add_batch_size(parser, batch_size)


def add_batch_size(parser: Parser, default: BatchSize) -> None:
    """Add the option that says how many items go through a model at a time."""
    parser.add_argument(
        "--batch_size",
        type=batch_size_of,
        default=default,
        metavar="N",
        help="items at a time, or auto for the largest that fits",
    )


def add_drawing(parser: Parser, seed: int | None) -> None:
    """Add the options that say how many items there are, and the seed of what is drawn."""
    parser.add_argument("--limit", type=positive_int, metavar="N", help="measure on the first N items only")
    parser.add_argument("--seed", type=int, default=seed, help="of what is drawn")


def add_eval_data(parser: Parser) -> None:
    """Add the option for evaluation sets without internet."""
    parser.add_argument(
        "--eval_data",
        type=Path,
        metavar="DIR",
        help="folder that `bash data/download.sh eval` builds; without it the sets are fetched",
    )


def batch_size_of(text: str) -> BatchSize:
    """Read a whole number above 0, or `auto`, as the `type` of an argument."""
    if text == "auto":
        return "auto"
    try:
        return positive_int(text)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}, nor auto") from None
