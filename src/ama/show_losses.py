"""Show measured losses: a table, and a plot against the ratio."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, run
from ama.errors import UserError

DESCRIPTION = """Show the losses in a file of scores, as python -m ama.evaluate_loss writes it.

Example:
  python -m ama.show_losses output/scores.jsonl --before models/sft --after models/rlhf --plot losses.png
"""


def main() -> None:
    """Print the table; draw the plot if it is asked for."""
    options = _options()
    from ama.evaluation.scores import read_scores
    from ama.report.loss_plot import plot_losses
    from ama.report.losses import latest_losses, print_losses
    from ama.report.scores import write_csv

    if not options.scores.is_file():
        raise UserError(f"{options.scores}: no such file")
    models = latest_losses(read_scores(options.scores), options.metric)
    known = {model.model for model in models}
    for flag, parent in (("--before", options.before), ("--after", options.after)):
        if parent is not None and parent not in known:
            raise UserError(f"{flag} {parent}: not among the measured models: {', '.join(sorted(known))}")
    if options.csv:
        write_csv(score for model in models for score in model.scores.values())
    else:
        print_losses(models, options.metric)
    if options.plot is not None:
        plot_losses(models, options.metric, options.before, options.after, options.plot)


def _options() -> Namespace:
    parser = Parser("show_losses", DESCRIPTION)
    parser.add_argument("scores", type=Path, help="file of scores")
    parser.add_argument("--metric", choices=("loss", "perplexity"), default="loss", help="what to show")
    parser.add_argument("--before", help="the measured model before RLHF: at ratio 1 in the plot")
    parser.add_argument("--after", help="the measured model after RLHF: at ratio 0 in the plot")
    parser.add_argument("--plot", type=Path, help="image to draw, .png, .pdf or .svg")
    parser.add_argument("--csv", action="store_true", help="comma-separated values in place of the table")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
