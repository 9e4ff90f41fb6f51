"""Show a file of scores: a table for each group, with standard errors."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, run
from ama.errors import UserError

_DESCRIPTION = """Show the scores that the ama.evaluate_* commands have appended to a file: a Markdown table
for each group with a row for each model and schedule, or comma-separated values. Of a group of the paper its
metrics are shown, with --all every one. Of two measurements of the same the later one counts.

Example:
  python -m ama.show_scores output/scores.jsonl --groups common_sense reading
"""


def main() -> None:
    """Print the tables."""
    options = _options()
    from ama.evaluation.scores import read_scores
    from ama.report.scores import group_tables, latest, print_markdown, write_csv

    if not options.scores.is_file():
        raise UserError(f"{options.scores}: no such file")
    scores = latest(read_scores(options.scores), every_metric=options.all)
    known = dict.fromkeys(score.group for score in scores)
    for group in options.groups or []:
        if group not in known:
            raise UserError(f"--groups {group}: not among the measured groups: {', '.join(known) or 'none'}")
    chosen = [score for score in scores if score.group in (options.groups or known)]
    if not chosen:
        raise UserError(f"{options.scores} holds no score: measure some with python -m ama.evaluate_harness")
    if options.csv:
        write_csv(chosen)
    else:
        print_markdown(group_tables(chosen))


def _options() -> Namespace:
    parser = Parser("show_scores", _DESCRIPTION)
    parser.add_argument("scores", type=Path, help="file of scores")
    parser.add_argument("--groups", nargs="+", metavar="GROUP", help="such as common_sense; all unless given")
    parser.add_argument("--all", action="store_true", help="every metric")
    parser.add_argument("--csv", action="store_true", help="comma-separated values in place of tables")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
