"""Train a causal language model on texts, a given one or a fresh one."""

from ama.console import run
from ama.console.command import Command
from ama.settings.training import FINETUNE, FinetuneSettings, TrainingSettings

_DESCRIPTION = """\
Fine-tune a causal language model on texts, or train a fresh one (--from_scratch).

A run that was cut short goes on at its last checkpoint when the same command is given again.
Example: python -m ama.finetune --model models/base --data data/sft.jsonl --out output/sft --lr 1e-5"""

COMMAND = Command("finetune", _DESCRIPTION, FinetuneSettings, FINETUNE)


def main() -> None:
    """Read the settings, then train."""
    chosen = COMMAND.parse()
    from ama.training.sft import run_finetune

    run_finetune(chosen[FinetuneSettings], chosen[TrainingSettings])


if __name__ == "__main__":
    run(main)
