"""Show the reward-tax front of a sweep, or of several seeds pooled: tables, pictures, an interactive page."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, positive_int, run

_DESCRIPTION = """Make the report of a sweep that python -m ama.pareto has run: front.png, front_groups.png (a
panel for each skill group), report.html (interactive, opens without network) and front.md, whose tables are
printed. Several sweeps of the same curves and measures are pooled as seeds.

Example:
  python -m ama.show_front output/front --most_loss 0.05
"""


def main() -> None:
    """Write the report and print its tables."""
    options = _options()
    from ama.report.front.model import FrontSettings
    from ama.report.front.tables import front_markdown
    from ama.report.front.write import write_front_report
    from ama.report.markdown import print_markdown_text

    settings = FrontSettings(options.most_loss, options.draws, options.seed, options.reward)
    front = write_front_report(options.sweeps, options.out or options.sweeps[0], settings)
    print_markdown_text(front_markdown(front))


def _options() -> Namespace:
    from ama.report.front.options import add_most_loss

    parser = Parser("show_front", _DESCRIPTION)
    parser.add_argument("sweeps", type=Path, nargs="+", metavar="SWEEP_DIR", help="--out of ama.pareto")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; the first sweep unless given"
    )
    add_most_loss(parser)
    parser.add_argument("--draws", type=positive_int, default=1000, help="of the bootstrap")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument(
        "--reward",
        metavar="MEASURE",
        help="task and metric of the reward, such as 'hh reward'; else the first",
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
