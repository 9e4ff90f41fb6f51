"""Write the checkpoint that a sweep recommends."""

from argparse import Namespace
from pathlib import Path

from ama.averaging.command import Wanted, add_merge_options, merge_command
from ama.averaging.schedules.grammar import schedule_at
from ama.averaging.schedules.schedule import Scope
from ama.console import Parser, run
from ama.errors import UserError
from ama.settings.report import FrontSettings

_DESCRIPTION = """\
Writes the average of most skill among those that lose no more than a share of the reward that RLHF gained, as
the report of the sweep recommends it. No score is measured, no model is run.

Example: python -m ama.merge_recommended output/front --out output/recommended --most_loss 0.05"""


def main() -> int:
    """Read the command line, look up the schedule, and merge."""
    return merge_command(_parser(), _wanted)


def _parser() -> Parser:
    parser = Parser("merge_recommended", _DESCRIPTION)
    parser.add_argument("sweep", type=Path, metavar="SWEEP_DIR", help="--out of ama.pareto")
    help_text = "share of the reward gain that it may lose, in [0, 1]"
    parser.add_argument(
        "--most_loss", type=float, default=FrontSettings().most_loss, metavar="X", help=help_text
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    add_merge_options(parser)
    return parser


def _wanted(arguments: Namespace, save_name: str) -> Wanted:
    from ama.evaluation.sweep_record import read_sweep
    from ama.report.front.figures import read_front
    from ama.report.front.model import AFTER, BEFORE

    front = read_front([arguments.sweep], FrontSettings(most_loss=arguments.most_loss))
    if not front.choices:
        raise UserError(f"{arguments.sweep} recommends nothing: {front.no_tax}")
    place = front.choices[0].point
    schedule = front.points[place].schedule
    if place in (BEFORE, AFTER):
        raise UserError(
            f"{arguments.sweep} recommends the model {schedule} RLHF itself: allow a larger --most_loss, or "
            "sweep over more averages"
        )
    sweep = read_sweep(arguments.sweep)
    return Wanted(sweep.before, sweep.after, *schedule_at(schedule, Scope(sweep.scope)))


if __name__ == "__main__":
    run(main)
