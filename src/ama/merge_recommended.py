"""Write the checkpoint that a sweep recommends."""

from ama.averaging.command import Wanted, merge_command
from ama.averaging.schedules.grammar import read_schedule
from ama.console import run
from ama.console.command import Chosen, Command
from ama.errors import UserError
from ama.settings.merging import MergeSettings, OutputSettings, RecommendedSettings, Scope
from ama.settings.report import ChoiceSettings, FrontSettings

_DESCRIPTION = """\
Writes the average of most skill among those that lose no more than a share of the reward that RLHF gained, as
the report of the sweep recommends it. No score is measured, no model is run.

Example: python -m ama.merge_recommended output/front --out output/recommended --most_loss 0.05"""

COMMAND = Command(
    "merge_recommended", _DESCRIPTION, RecommendedSettings, ChoiceSettings, OutputSettings, MergeSettings
)


def main() -> int:
    """Read the command line, look up the schedule, and merge."""
    return merge_command(COMMAND, _wanted)


def _wanted(chosen: Chosen) -> Wanted:
    from ama.evaluation.sweep.record import read_sweep
    from ama.report.front.figures import read_front
    from ama.report.front.model import AFTER, BEFORE

    folder = chosen[RecommendedSettings].sweep
    front = read_front([folder], FrontSettings(most_loss=chosen[ChoiceSettings].most_loss))
    if not front.choices:
        raise UserError(f"{folder} recommends nothing: {front.no_tax}")
    place = front.choices[0].point
    schedule = front.points[place].schedule
    if place in (BEFORE, AFTER):
        raise UserError(
            f"{folder} recommends the model {schedule} RLHF itself: allow a larger --most_loss, or "
            "sweep over more averages"
        )
    sweep = read_sweep(folder)
    return Wanted(sweep.before, sweep.after, read_schedule(schedule, scope=Scope(sweep.scope)))


if __name__ == "__main__":
    run(main)
