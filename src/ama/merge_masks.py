"""Average a checkpoint before RLHF with one after it by learned ratios, into a new checkpoint."""

from argparse import Namespace

from ama.averaging.command import Wanted, add_inputs, add_merge_options, merge_command
from ama.averaging.schedules.grammar import learned_schedule
from ama.averaging.schedules.split_tag import parse_ratio
from ama.console import Parser, run

_DESCRIPTION = """\
merged = ratio * before + (1 - ratio) * after, by the learned ratios of mask_alphas.bin.

Example: python -m ama.merge_masks --before models/sft --after models/rlhf \\
  --masks output/masks --out output/ama
--alpha 0.3 keeps the learned pattern and re-normalises it to a mean of 0.3, without training again."""


def main() -> int:
    """Read the command line and merge."""
    return merge_command(_parser(), _wanted)


def _parser() -> Parser:
    parser = Parser("merge_masks", _DESCRIPTION)
    add_inputs(parser)
    add = parser.add_argument
    add("--masks", required=True, metavar="PATH", help="mask_alphas.bin or its folder (alphas_path)")
    add("--alpha", metavar="RATIO", help="mean of the ratios; by default the one they were learned with")
    add("--allow_extrapolation", action="store_true", help="merge even where a ratio is above 1")
    add("--out", required=True, metavar="DIR", help="folder to write")
    add_merge_options(parser)
    return parser


def _wanted(arguments: Namespace, save_name: str) -> Wanted:
    alpha = None if arguments.alpha is None else parse_ratio(arguments.alpha, "--alpha")
    schedule = learned_schedule(arguments.masks, alpha, extrapolate=arguments.allow_extrapolation)
    return Wanted(arguments.before, arguments.after, *schedule)


if __name__ == "__main__":
    run(main)
