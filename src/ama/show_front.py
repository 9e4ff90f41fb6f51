"""Show the reward-tax front of a sweep, or of several seeds pooled: tables, pictures, an interactive page."""

from ama.console import run
from ama.console.command import Command
from ama.settings.report import FrontSettings, SweepsSettings

_DESCRIPTION = """Make the report of a sweep that python -m ama.pareto has run: front.png, front_groups.png (a
panel for each skill group), gains.png and gains.json (gains over plain averaging at equal reward),
report.html (interactive, opens without network) and front.md, whose tables are printed. Several sweeps of the
same curves and measures are pooled as seeds.

Example:
  python -m ama.show_front output/front --most_loss 0.05
"""
COMMAND = Command("show_front", _DESCRIPTION, SweepsSettings, FrontSettings)


def main() -> None:
    """Write the report and print its tables."""
    chosen = COMMAND.parse()
    what = chosen[SweepsSettings]
    from ama.report.front.write import show_front

    show_front(what.sweeps, what.out or what.sweeps[0], chosen[FrontSettings])


if __name__ == "__main__":
    run(main)
