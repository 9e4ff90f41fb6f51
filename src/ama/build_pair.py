"""Train a tiny pair of models on the spot, from texts that Python ships, to try the other commands on."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, run

DESCRIPTION = """Train a tiny pair of models, offline, in about a minute.

before has learned English (docstrings of the standard library), after is the same model trained on for code
(the library's source). Stages that are done are kept. Example: python -m ama.build_pair --out output/pair
"""


def main() -> None:
    """Read the options, then build."""
    options = _options()
    import torch

    from ama.sandbox.pair import build_pair

    # Matrices this small gain nothing from more threads; with one, the result does not depend on the machine.
    torch.set_num_threads(1)
    build_pair(options.out, options.seed)


def _options() -> Namespace:
    parser = Parser("build_pair", DESCRIPTION)
    parser.add_argument("--out", type=Path, required=True, help="folder for texts/, before/ and after/")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and the order of the text")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
