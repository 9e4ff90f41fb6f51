"""Build the sandbox world of a seed: data, tasks, reward model, before, and after by RAFT and by DPO."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, run

DESCRIPTION = """Build a tiny world with an alignment tax, offline, by real training, in minutes on a CPU.

The folder gets, in the formats of the real ones: data/ (LMFlow JSON), tasks/ (evaluation sets shaped like the
hub's), before/, reward_model/, raft/ with every iteration, after/, after_dpo/ and collected/. Stages that are
done are kept. Example: python -m ama.build_sandbox --seed 0 --out output/sandbox
"""


def main() -> None:
    """Read the options, then build."""
    options = _options()
    import torch

    from ama.sandbox.build import build_sandbox
    from ama.sandbox.settings import default_settings

    # Matrices this small gain nothing from more threads; with one, the result does not depend on the machine.
    torch.set_num_threads(1)
    build_sandbox(options.out, options.seed, default_settings())


def _options() -> Namespace:
    parser = Parser("build_sandbox", DESCRIPTION)
    parser.add_argument("--out", type=Path, required=True, help="folder of the world")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the world, the first weights and the sampling"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
