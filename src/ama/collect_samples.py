"""Sample replies from the model after RLHF: the data set of learned ratios, for given checkpoints."""

from __future__ import annotations

import random
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser, positive_int, run
from ama.errors import UserError

if TYPE_CHECKING:
    from ama.data.samples import Sample

_DESCRIPTION = """\
For checkpoints that were not trained here (python -m ama.train_raft collects samples itself). With a reward
model the samples are drawn from those with the highest rewards, as in the paper; without one all are kept.

Example: python -m ama.collect_samples --model models/rlhf --prompts data/hh_rlhf/rlhf/rlhf_prompt \\
  --out output/collected.json --reward_model models/reward
Run again after a crash, it goes on where it stopped."""


def main() -> None:
    """Read the options, sample, score, write."""
    options = _options()
    if options.out.exists() and not options.overwrite:
        raise UserError(
            f"output {options.out} exists already: choose another, or replace it with --overwrite"
        )
    from ama.data.writing import write_samples
    from ama.models import quiet
    from ama.sampling.prompts import read_prompts
    from ama.training.resume import open_work
    from ama.training.selection import collect

    quiet()
    prompts = read_prompts(options.prompts, options.model, options.max_prompt_tokens)
    if options.limit and options.limit < len(prompts):
        prompts = random.Random(options.seed).sample(prompts, options.limit)
    work = options.out.with_name(f".{options.out.name}.work")
    open_work(work, {name: str(value) for name, value in vars(options).items()})
    samples = _sample(options, prompts, work)
    if options.reward_model:
        samples = collect(samples, options.pool, options.collected, options.seed)
    write_samples(options.out, samples, joined=False)
    shutil.rmtree(work)
    sys.stderr.write(f"{options.out}: {len(samples)} samples\n")


def _sample(options: Namespace, prompts: list[str], work: Path) -> list[Sample]:
    from ama.sampling.options import sampling_settings
    from ama.sampling.rollout import replies_of, rollout

    settings = sampling_settings(options)
    if options.reward_model:
        return rollout(options.model, options.reward_model, prompts, settings, work)
    return replies_of(options.model, prompts, settings, work)


def _options() -> Namespace:
    from ama.sampling.options import add_prompt_limit, add_sampling

    parser = Parser("collect_samples", _DESCRIPTION)
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="DIR", help="model after RLHF")
    add("--prompts", type=Path, required=True, metavar="PATH", help="LMFlow JSON: file or folder")
    add("--out", type=Path, required=True, metavar="FILE", help=".json to write")
    add("--overwrite", action="store_true", help="replace --out, at the end")
    add("--reward_model", type=Path, metavar="DIR", help="scores the replies")
    add_prompt_limit(parser, 256)
    add("--limit", type=positive_int, metavar="N", help="reply to that many of the prompts, drawn by --seed")
    add_sampling(parser, samples=1)
    add("--pool", type=positive_int, default=5000, help="samples of high reward to draw from")
    add("--collected", type=positive_int, default=2000, help="how many to draw")
    add("--seed", type=int, default=0, help="of the sampling and the drawing")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
