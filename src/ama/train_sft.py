"""Fine-tune a model on dialogues with TRL: the preferred replies of HH-RLHF make the model before RLHF."""

from ama.console import run
from ama.console.command import Command
from ama.settings.training import (
    SFT,
    BaselineSettings,
    LoraSettings,
    SftSettings,
    TrainingFiles,
    TrainingSettings,
)

_DESCRIPTION = """\
Supervised fine-tuning on LMFlow JSON (text_only with ###Human: and ###Assistant:, or text2text).

Example: python -m ama.train_sft --model models/base --data data/hh_rlhf/sft --out output/sft
The same command under torchrun, accelerate launch or deepspeed shares the work; run again after a crash, it
goes on at its last checkpoint."""

COMMAND = Command("train_sft", _DESCRIPTION, TrainingFiles, SftSettings, SFT, LoraSettings, BaselineSettings)


def main() -> None:
    """Read the settings, then train."""
    chosen = COMMAND.parse()
    from ama.training.sft import run_sft

    run_sft(
        chosen[TrainingFiles],
        chosen[SftSettings],
        chosen[TrainingSettings],
        chosen[LoraSettings],
        chosen[BaselineSettings],
    )


if __name__ == "__main__":
    run(main)
