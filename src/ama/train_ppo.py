"""Train a model against a reward model by proximal policy optimisation, with TRL."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, positive_int, run

_DESCRIPTION = """\
PPO with a penalty on the KL divergence from the model before. --batch is the minibatch, --epochs the passes
over the rollouts of a round.

Example: python -m ama.train_ppo --model models/sft --reward_model models/reward \\
  --prompts data/hh_rlhf/rlhf/rlhf_prompt --out output/ppo
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at its last checkpoint, of which there is one every --save_steps rounds."""


def main() -> None:
    """Read the options, then train."""
    options = _options()
    from ama.training.options import stage_settings

    settings = stage_settings(options)
    from ama.models import check_target, quiet
    from ama.sampling.prompts import read_prompts
    from ama.training.ppo import train_ppo
    from ama.training.ppo_settings import PpoSettings

    check_target(options.out, overwrite=options.overwrite)
    ppo = PpoSettings(
        rollouts=options.rollouts,
        rounds=options.rounds,
        kl_coef=options.kl_coef,
        temperature=options.temperature,
        max_new_tokens=options.max_new_tokens,
        sample_batch=options.sample_batch,
        baseline=options.reward_baseline,
        missing_eos_penalty=options.missing_eos_penalty,
    )
    quiet()
    prompts = read_prompts(options.prompts, options.model, options.max_prompt_tokens)
    train_ppo(options.model, options.reward_model, prompts, options.out, settings, ppo, options.dtype)


def _options() -> Namespace:
    from ama.sampling.options import add_prompt_limit
    from ama.training.options import add_places, add_training

    parser = Parser("train_ppo", _DESCRIPTION)
    add_places(parser, "model before RLHF", "folder for the model after RLHF")
    add = parser.add_argument
    add("--reward_model", type=Path, required=True, metavar="DIR", help="judges the replies")
    add("--prompts", type=Path, required=True, metavar="PATH", help="LMFlow JSON: file or folder")
    add_prompt_limit(parser, 256)
    add("--rollouts", type=positive_int, default=512, help="replies in a round, over all processes")
    add("--rounds", type=positive_int, default=100, help="of sampling and training")
    add("--kl_coef", type=float, default=0.05, help="weight of the KL divergence from --model")
    add("--temperature", type=float, default=1.0, help="of the sampling")
    add("--max_new_tokens", type=positive_int, default=128, help="of a reply")
    add("--sample_batch", type=positive_int, default=64, help="replies at a time on each process")
    add("--reward_baseline", type=float, default=0.0, help="subtracted from each reward")
    add("--missing_eos_penalty", type=float, help="subtracted where a reply does not end")
    add_training(parser, lr=1e-6, batch=32, epochs=2.0, micro_batch=None)
    parser.set_defaults(save_steps=10)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
