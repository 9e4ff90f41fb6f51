"""Train a model against a reward model by proximal policy optimisation, with TRL."""

from ama.console import run
from ama.console.command import Command
from ama.settings.sampling import PromptSettings
from ama.settings.training import PPO, LoraSettings, PolicyFiles, PpoSettings, TrainingSettings

_DESCRIPTION = """\
PPO with a penalty on the KL divergence from the model before. --batch is the minibatch, --epochs the passes
over the rollouts of a round.

Example: python -m ama.train_ppo --model models/sft --reward_model models/reward \\
  --prompts data/hh_rlhf/rlhf/rlhf_prompt --out output/ppo
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at its last checkpoint, of which there is one every --save_steps rounds."""

COMMAND = Command("train_ppo", _DESCRIPTION, PolicyFiles, PromptSettings, PpoSettings, PPO, LoraSettings)


def main() -> None:
    """Read the settings, then train."""
    chosen = COMMAND.parse()
    from ama.training.ppo import run_ppo

    run_ppo(
        chosen[PolicyFiles],
        chosen[PromptSettings],
        chosen[PpoSettings],
        chosen[TrainingSettings],
        chosen[LoraSettings],
    )


if __name__ == "__main__":
    run(main)
