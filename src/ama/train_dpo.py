"""Train a model on preference pairs by direct preference optimisation, with TRL."""

from ama.console import run
from ama.console.command import Command
from ama.settings.training import (
    DPO,
    BaselineSettings,
    DpoSettings,
    LoraSettings,
    TrainingFiles,
    TrainingSettings,
)

_DESCRIPTION = """\
DPO on LMFlow JSON of type paired_text_to_text. The model to start from is the reference, too.

Example: python -m ama.train_dpo --model models/sft --data data/hh_rlhf/rm/train/train.json --out output/dpo
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at its last checkpoint."""

COMMAND = Command("train_dpo", _DESCRIPTION, TrainingFiles, DpoSettings, DPO, LoraSettings, BaselineSettings)


def main() -> None:
    """Read the settings, then train."""
    chosen = COMMAND.parse()
    from ama.training.dpo import run_dpo

    run_dpo(
        chosen[TrainingFiles],
        chosen[DpoSettings],
        chosen[TrainingSettings],
        chosen[LoraSettings],
        chosen[BaselineSettings],
    )


if __name__ == "__main__":
    run(main)
