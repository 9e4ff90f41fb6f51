"""Train a model on preference pairs by direct preference optimisation, with TRL."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, positive_int, run

_DESCRIPTION = """\
DPO on LMFlow JSON of type paired_text_to_text. The model to start from is the reference, too.

Example: python -m ama.train_dpo --model models/sft --data data/hh_rlhf/rm/train/train.json --out output/dpo
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at its last checkpoint."""


def main() -> None:
    """Read the options, then train."""
    options = _options()
    from ama.training.options import stage_settings

    settings = stage_settings(options)
    from ama.data.pairs import read_pairs
    from ama.models import check_target
    from ama.training.dpo import train_dpo

    check_target(options.out, overwrite=options.overwrite)
    train_dpo(
        options.model,
        read_pairs(options.data),
        options.out,
        settings,
        beta=options.beta,
        max_length=options.max_length,
        dtype=options.dtype,
    )


def _options() -> Namespace:
    from ama.training.options import add_places, add_remedies, add_training

    parser = Parser("train_dpo", _DESCRIPTION)
    add_places(parser, "model before RLHF", "folder for the model after RLHF")
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help="pairs, LMFlow JSON: file or folder")
    add("--beta", type=float, default=0.1, help="the larger, the nearer the model stays to --model")
    add("--max_length", type=positive_int, default=512, help="leave out pairs with more tokens")
    add_remedies(parser)
    add_training(parser, lr=1e-6, batch=32)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
