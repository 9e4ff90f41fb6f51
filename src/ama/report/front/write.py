"""The report of one or more sweeps: pictures, a page and Markdown in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ama.checkpoint.staging import writing
from ama.checkpoint.whole_file import write_whole
from ama.errors import UserError
from ama.evaluation.sweep.record import read_sweep
from ama.report.front.data import read_data
from ama.report.front.facts import facts_of
from ama.report.front.figures import single_front
from ama.report.front.markdown import front_markdown
from ama.report.front.model import Front, FrontSettings
from ama.report.front.page import front_page
from ama.report.front.plot import plot_front, plot_groups
from ama.report.front.pool import pooled_front

PICTURE, GROUPS, PAGE, MARKDOWN = "front.png", "front_groups.png", "report.html", "front.md"


def check_front(folders: Sequence[Path], settings: FrontSettings) -> None:
    """Check what can be checked in a moment.

    Raises:
        UserError: a folder holds no sweep or is given twice, or a setting is wrong.
    """
    if not 0 <= settings.most_loss <= 1:
        raise UserError(
            f"--most_loss {settings.most_loss:g} lies outside [0, 1]: it is a share of the reward gain"
        )
    if settings.draws < 2:
        raise UserError(f"--draws {settings.draws}: errors need 2 draws or more")
    if settings.seed < 0:
        raise UserError(f"--seed {settings.seed}: a seed is 0 or more")
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{folder} is given twice: pool sweeps of different seeds")
    for folder in folders:
        read_sweep(folder)


def read_front(folders: Sequence[Path], settings: FrontSettings) -> Front:
    """Return the figures of a sweep, or of several that are pooled as seeds.

    Raises:
        UserError: as in `check_front`; a sweep measures no reward or no skill, or sweeps don't fit together.
    """
    check_front(folders, settings)
    sweeps = [read_data(folder, settings) for folder in folders]
    fronts = [single_front(data, settings, facts_of([data], settings)) for data in sweeps]
    if len(fronts) == 1:
        return fronts[0]
    return replace(pooled_front(fronts, settings), facts=tuple(facts_of(sweeps, settings)))


def write_front_report(folders: Sequence[Path], out: Path, settings: FrontSettings) -> Front:
    """Write front.png, front_groups.png (of two skill groups or more), report.html and front.md.

    Args:
        folders: of sweeps, as `ama.pareto` leaves them; several are pooled as seeds.
        out: made if it is missing; each file appears in it when it is whole.
        settings: what decides the figures.

    Returns:
        The figures.

    Raises:
        UserError: as in `read_front`, or `out` can't be written.
    """
    check_front(folders, settings)
    with writing(out):
        # Before the figures, which take a while.
        out.mkdir(parents=True, exist_ok=True)
    front = read_front(folders, settings)
    with writing(out):
        plot_front(front, out / PICTURE)
        if not plot_groups(front, out / GROUPS):
            (out / GROUPS).unlink(missing_ok=True)
        write_whole(out / PAGE, [front_page(front)])
        write_whole(out / MARKDOWN, [front_markdown(front)])
    return front
