"""Build the sandbox world of a seed: data, tasks, reward model, before, and after by RAFT or DPO."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, positive_int, run

DESCRIPTION = """Build a tiny world with an alignment tax, offline, by real training, in minutes on a CPU.

The folder gets, in the formats of the real ones: data/ (LMFlow JSON), tasks/ (evaluation sets shaped like the
hub's, for lm-eval's arc_easy, squadv2 and wmt14-fr-en), before/, reward_model/, raft/ with every iteration,
after/, and collected/, the data set of learned ratios. What is there is kept; run again after a crash, it
goes on where it stopped. The same seed and number of threads give the same models.

Example: python -m ama.build_sandbox --seed 0 --out output/sandbox
"""


def main() -> None:
    """Read the options, then build."""
    options = _options()
    import torch

    from ama.sandbox.build import build_sandbox
    from ama.sandbox.settings import SIZES

    # A number that is fixed, and not that of the machine's cores, makes the result the same everywhere; with
    # matrices this small, two threads wait for each other as soon as something else is running.
    torch.set_num_threads(options.threads)
    settings = SIZES[options.size]()
    build_sandbox(options.out, options.seed, settings, dpo=options.dpo, prompt_loss=options.prompt_loss)


def _options() -> Namespace:
    parser = Parser("build_sandbox", DESCRIPTION)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the world")
    add("--seed", type=_seed, default=0, help="of the world, the first weights and the sampling")
    add(
        "--size",
        choices=("full", "small"),
        default="full",
        help="small: fewer words, shorter trainings, a minute; to try the commands on",
    )
    add("--dpo", action="store_true", help="also build after_dpo/ and collected_dpo/")
    add(
        "--prompt_loss",
        action="store_true",
        help="also build after_prompt_loss/ and collected_prompt_loss/ by RAFT that learns prompts too",
    )
    add("--threads", type=positive_int, default=1, help="of the computation; more gain little")
    return parser.parse_args()


def _seed(text: str) -> int:
    return 0 if text == "0" else positive_int(text)


if __name__ == "__main__":
    run(main)
