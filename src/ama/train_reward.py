"""Train a reward model on preference pairs with TRL, and report its accuracy on held-out ones."""

from ama.console import run
from ama.console.command import Command
from ama.settings.training import REWARD, LoraSettings, RewardModelSettings, TrainingFiles, TrainingSettings

_DESCRIPTION = """\
A reward model from LMFlow JSON of type paired_text_to_text. Its accuracy on held-out pairs, with a 95 %
interval, is printed and kept in training.json beside the weights.

Example: python -m ama.train_reward --model models/sft --data data/hh_rlhf/rm/train --out output/reward_model
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at its last checkpoint."""

COMMAND = Command("train_reward", _DESCRIPTION, TrainingFiles, RewardModelSettings, REWARD, LoraSettings)


def main() -> None:
    """Read the settings, then train."""
    chosen = COMMAND.parse()
    from ama.training.reward_model import run_reward_model

    run_reward_model(
        chosen[TrainingFiles], chosen[RewardModelSettings], chosen[TrainingSettings], chosen[LoraSettings]
    )


if __name__ == "__main__":
    run(main)
