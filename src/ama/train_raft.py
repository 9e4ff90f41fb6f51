"""Run RAFT, rejection sampling fine-tuning, against a reward model; collect samples for learned ratios."""

from ama.console import run
from ama.console.command import Command
from ama.settings.samples import CollectionSettings
from ama.settings.sampling import RAFT_SAMPLING, PromptSettings, SeedlessSampling
from ama.settings.training import (
    RAFT,
    BaselineSettings,
    LoraSettings,
    RaftFiles,
    RaftRecipe,
    RaftSettings,
    SelectionSettings,
    TrainingSettings,
)

_DESCRIPTION = """\
Each iteration samples replies to prompts, scores them with the reward model, and fine-tunes on the best. Its
model, selected samples and mean reward stay in a folder of its own, so that any iteration can be the model
after RLHF. The last one's folder also gets collected.json, the data set of python -m ama.optimize_masks.

Example: python -m ama.train_raft --model models/sft --reward_model models/reward \\
  --prompts data/hh_rlhf/rlhf/rlhf_prompt --out output/raft
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at the step where it stopped, and with more --iterations it goes on from the last."""

COMMAND = Command(
    "train_raft",
    _DESCRIPTION,
    RaftFiles,
    PromptSettings,
    RaftSettings,
    RAFT_SAMPLING,
    SelectionSettings,
    CollectionSettings,
    RAFT,
    LoraSettings,
    BaselineSettings,
)


def main() -> None:
    """Read the settings, then run all iterations."""
    chosen = COMMAND.parse()
    from ama.training.raft import run_raft

    recipe = RaftRecipe(
        raft=chosen[RaftSettings],
        sampling=chosen[SeedlessSampling],
        selection=chosen[SelectionSettings],
        collection=chosen[CollectionSettings],
        training=chosen[TrainingSettings],
        lora=chosen[LoraSettings],
        baselines=chosen[BaselineSettings],
    )
    run_raft(chosen[RaftFiles], chosen[PromptSettings], recipe)


if __name__ == "__main__":
    run(main)
