"""Show measured losses: a table, and a plot against the ratio."""

from ama.console import run
from ama.console.command import Command
from ama.settings.report import LossesSettings

_DESCRIPTION = """Show the losses in a file of scores, as python -m ama.evaluate_loss writes it.

Example:
  python -m ama.show_losses output/scores.jsonl --before models/sft --after models/rlhf --plot losses.png
"""
COMMAND = Command("show_losses", _DESCRIPTION, LossesSettings)


def main() -> None:
    """Print the table; draw the plot if it is asked for."""
    settings = COMMAND.parse()[LossesSettings]
    from ama.report.losses import show_losses

    show_losses(settings)


if __name__ == "__main__":
    run(main)
