"""The report of one or more sweeps: pictures, a page and Markdown in a folder."""

from collections.abc import Sequence
from pathlib import Path

from ama.checkpoint.staging import writing
from ama.checkpoint.whole_file import write_whole
from ama.report.front.figures import check_front, read_front
from ama.report.front.gains import gains_json
from ama.report.front.model import Front
from ama.report.front.page import front_page
from ama.report.front.plot import plot_front, plot_groups
from ama.report.front.plot_gains import plot_gains
from ama.report.front.tables import front_markdown
from ama.report.markdown import print_markdown_text
from ama.settings.report import FrontSettings

PICTURE, GROUPS, PAGE, MARKDOWN = "front.png", "front_groups.png", "report.html", "front.md"
GAINS, GAINS_PICTURE = "gains.json", "gains.png"


def show_front(folders: Sequence[Path], out: Path, settings: FrontSettings) -> Front:
    """Write the report, then print its tables; see `write_front_report`."""
    front = write_front_report(folders, out, settings)
    print_markdown_text(front_markdown(front))
    return front


def write_front_report(folders: Sequence[Path], out: Path, settings: FrontSettings) -> Front:
    """Write front.png, front_groups.png (of two groups or more), gains.png, gains.json, page and Markdown.

    Args:
        folders: of sweeps, as `ama.pareto` leaves them; several are pooled as seeds.
        out: made if it is missing; each file appears in it when it is whole.
        settings: what decides the figures.

    Returns:
        The figures.

    Raises:
        UserError: as in `read_front`, or `out` can't be written.
    """
    check_front(folders)
    with writing(out):
        # Before the figures, which take a while.
        out.mkdir(parents=True, exist_ok=True)
    front = read_front(folders, settings)
    with writing(out):
        plot_front(front, out / PICTURE)
        if not plot_groups(front, out / GROUPS):
            (out / GROUPS).unlink(missing_ok=True)
        if not plot_gains(front, out / GAINS_PICTURE):
            (out / GAINS_PICTURE).unlink(missing_ok=True)
        write_whole(out / GAINS, [gains_json(front)])
        write_whole(out / PAGE, [front_page(front)])
        write_whole(out / MARKDOWN, [front_markdown(front)])
    return front
