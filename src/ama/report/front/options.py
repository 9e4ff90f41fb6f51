"""The options of the front's figures that commands share."""

import re
from argparse import ArgumentTypeError

from ama.console import Parser


def add_most_loss(parser: Parser) -> None:
    """Add --most_loss."""
    parser.add_argument(
        "--most_loss",
        type=_share,
        default=0.05,
        metavar="X",
        help="share of the reward gain that the recommended schedule may lose, in [0, 1]",
    )


def _share(text: str) -> float:
    if not re.fullmatch(r"\d*\.?\d+", text) or float(text) > 1:
        raise ArgumentTypeError(f"'{text}' is no number in [0, 1]")
    return float(text)
