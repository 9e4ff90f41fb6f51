"""Train a reward model on preference pairs with TRL, and report its accuracy on held-out ones."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, positive_int, run

_DESCRIPTION = """\
A reward model from LMFlow JSON of type paired_text_to_text. Its accuracy on held-out pairs, with a 95 %
interval, is printed and kept in training.json beside the weights.

Example: python -m ama.train_reward --model models/sft --data data/hh_rlhf/rm/train --out output/reward_model
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at its last checkpoint."""


def main() -> None:
    """Read the options, then train."""
    options = _options()
    from ama.errors import UserError
    from ama.training.options import stage_settings

    settings = stage_settings(options)
    if not 0 < options.held_out < 1:
        raise UserError(f"--held_out {options.held_out} lies outside (0, 1): it is a share of the prompts")
    from ama.data.pairs import read_pairs
    from ama.models import check_target
    from ama.training.reward_model import hold_out, train_reward_model

    check_target(options.out, overwrite=options.overwrite)
    pairs = read_pairs(options.data)
    if options.eval_data:
        held_out = read_pairs(options.eval_data)
    else:
        pairs, held_out = hold_out(pairs, options.held_out, settings.seed)
    train_reward_model(
        options.model,
        pairs,
        held_out,
        options.out,
        settings,
        max_length=options.max_length,
        dtype=options.dtype,
    )


def _options() -> Namespace:
    from ama.training.options import add_places, add_training

    parser = Parser("train_reward", _DESCRIPTION)
    add_places(parser, "model to start from, mostly after SFT", "folder for the reward model")
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        required=True,
        metavar="PATH",
        help="pairs to train on: LMFlow JSON, file or folder",
    )
    add("--eval_data", type=Path, metavar="PATH", help="pairs to measure on, in place of --held_out")
    add("--held_out", type=float, default=0.05, help="share of the prompts to measure on, never trained on")
    add("--max_length", type=positive_int, default=512, help="leave out pairs with more tokens")
    add_training(parser, lr=5e-6, batch=16)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
