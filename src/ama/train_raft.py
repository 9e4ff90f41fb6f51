"""Run RAFT, rejection sampling fine-tuning, against a reward model; collect samples for learned ratios."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser, positive_int, run

if TYPE_CHECKING:
    from ama.training.raft import RaftSettings

_DESCRIPTION = """\
Each iteration samples replies to prompts, scores them with the reward model, and fine-tunes on the best. Its
model, selected samples and mean reward stay in a folder of its own, so that any iteration can be the model
after RLHF. The last one's folder also gets collected.json, the data set of python -m ama.optimize_masks.

Example: python -m ama.train_raft --model models/sft --reward_model models/reward \\
  --prompts data/hh_rlhf/rlhf/rlhf_prompt --out output/raft
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at the step where it stopped, and with more --iterations it goes on from the last."""


def main() -> None:
    """Read the options, then run all iterations."""
    options = _options()
    from ama.training.options import stage_settings

    training = stage_settings(options)
    settings = _settings(options)
    from ama.models import load_reward_model, quiet
    from ama.sampling.prompts import read_prompts
    from ama.training.arguments import join_for_training
    from ama.training.raft import Places, run_raft

    quiet()
    prompts = read_prompts(options.prompts, options.model, options.max_prompt_tokens)
    # Read now, so that a wrong one is not found out after hours of sampling.
    load_reward_model(options.reward_model)
    join_for_training(training)
    places = Places(options.model, options.reward_model, options.out)
    last = run_raft(places, prompts, options.iterations, settings, training)
    sys.stderr.write(f"model: {last / 'model'}, samples for learned ratios: {last / 'collected.json'}\n")


def _settings(options: Namespace) -> RaftSettings:
    from ama.sampling.options import sampling_settings
    from ama.settings.samples import LossOn
    from ama.training.raft import RaftSettings
    from ama.training.selection import Keep, SelectionSettings

    return RaftSettings(
        prompts=options.prompts_per_iteration,
        sampling=sampling_settings(options),
        selection=SelectionSettings(
            Keep(options.keep),
            options.top_share,
            options.min_characters,
            options.forbidden,
            options.max_repetition,
        ),
        block_size=options.block_size,
        loss_on=LossOn(options.loss_on),
        pool=options.pool,
        collected=options.collected,
    )


def _options() -> Namespace:
    from ama.sampling.options import add_prompt_limit, add_sampling
    from ama.training.options import add_remedies, add_training

    parser = Parser("train_raft", _DESCRIPTION)
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="DIR", help="model before RLHF")
    add("--reward_model", type=Path, required=True, metavar="DIR", help="judges the replies")
    add("--prompts", type=Path, required=True, metavar="PATH", help="LMFlow JSON: file or folder")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    add("--iterations", type=positive_int, default=10, help="how many to run in all")
    add("--prompts_per_iteration", type=positive_int, default=2048, help="all if there are fewer")
    add_prompt_limit(parser, 256)
    add_sampling(parser, samples=32)
    add(
        "--keep", choices=("best", "top_share"), default="best", help="best of each prompt, or of all samples"
    )
    add("--top_share", type=float, default=0.125, help="share of all samples that the latter keeps")
    add("--min_characters", type=int, default=4, help="drop shorter replies")
    add("--forbidden", default="#", metavar="TEXT", help="drop replies with this text; empty for none")
    add("--max_repetition", type=float, default=0.5, help="drop replies of which more repeats itself")
    add("--block_size", type=positive_int, default=512, help="tokens of a sample, at most")
    add("--loss_on", choices=("text", "response"), default="response", help="tokens that count")
    add("--pool", type=positive_int, default=5000, help="samples of high reward to draw collected ones from")
    add("--collected", type=positive_int, default=2000, help="how many to draw")
    add_remedies(parser)
    add_training(parser, lr=1e-5, batch=32, epochs=2.0)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
