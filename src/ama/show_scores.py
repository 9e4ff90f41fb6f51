"""Show a file of scores: a table for each group, with standard errors."""

from ama.console import run
from ama.console.command import Command
from ama.settings.report import ScoresSettings

_DESCRIPTION = """Show the scores that the ama.evaluate_* commands have appended to a file: a Markdown table
for each group with a row for each model and schedule, or comma-separated values. Of a group of the paper its
metrics are shown, with --all every one. Of two measurements of the same the later one counts.

Example:
  python -m ama.show_scores output/scores.jsonl --groups common_sense reading
"""
COMMAND = Command("show_scores", _DESCRIPTION, ScoresSettings)


def main() -> None:
    """Print the tables."""
    settings = COMMAND.parse()[ScoresSettings]
    from ama.report.scores import show_scores

    show_scores(settings)


if __name__ == "__main__":
    run(main)
