"""Fine-tune a model on dialogues with TRL: the preferred replies of HH-RLHF make the model before RLHF."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, positive_int, run

_DESCRIPTION = """\
Supervised fine-tuning on LMFlow JSON (text_only with ###Human: and ###Assistant:, or text2text).

Example: python -m ama.train_sft --model models/base --data data/hh_rlhf/sft --out output/sft
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at its last checkpoint."""


def main() -> None:
    """Read the options, then train."""
    options = _options()
    from ama.training.options import stage_settings

    settings = stage_settings(options)
    from ama.data.samples import read_samples
    from ama.models import check_target
    from ama.settings.samples import LossOn
    from ama.training.sft import train_sft

    check_target(options.out, overwrite=options.overwrite)
    train_sft(
        options.model,
        read_samples(options.data),
        options.out,
        settings,
        block_size=options.block_size,
        loss_on=LossOn(options.loss_on),
        pack=options.pack,
        dtype=options.dtype,
    )


def _options() -> Namespace:
    from ama.training.options import add_places, add_remedies, add_training

    parser = Parser("train_sft", _DESCRIPTION)
    add_places(parser, "model to start from", "folder for the trained model")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="PATH", help="LMFlow JSON: file or folder"
    )
    parser.add_argument("--block_size", type=positive_int, default=2048, help="tokens in a row, at most")
    parser.add_argument("--pack", action="store_true", help="join samples and cut blocks, as LMFlow does")
    parser.add_argument("--loss_on", choices=("text", "response"), default="text", help="tokens that count")
    add_remedies(parser)
    add_training(parser, lr=1e-5, batch=12)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
