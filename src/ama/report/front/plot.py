"""The front as a picture at the width of a paper's column, and a panel for each skill group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ama.checkpoint.whole_file import whole_file
from ama.report.front.labels import along, place_label
from ama.report.front.model import AFTER, BEFORE, REWARD, SKILL, Front
from ama.report.front.style import PARENT_COLOUR, Style, axis_label, place, styles

WIDTH, HEIGHT = 3.3, 2.6
_PANEL = 2.1, 1.9
_PANELS_IN_A_ROW = 3
_DPI = 300
_FONT = 7.5
_FAINT = 0.35
# What fits into the width of a column; rows of names in the figure's usual height; inches for one more.
_LEGEND_LETTERS, _LEGEND_ROWS, _LEGEND_ROW = 46, 2, 0.14


def plot_front(front: Front, path: Path) -> None:
    """Draw reward against mean skill: a line for each method, error bars of one standard error.

    Args:
        front: what was measured.
        path: .png to write; it appears when it is whole.
    """
    _draw(front, [SKILL], (WIDTH, HEIGHT), path)


def plot_groups(front: Front, path: Path) -> bool:
    """Draw a panel for each skill group; return False, and draw nothing, if there is only one."""
    groups = [column.name for column in front.columns if column.panel]
    if len(groups) < 2:
        return False
    columns = min(len(groups), _PANELS_IN_A_ROW)
    rows = -(-len(groups) // columns)
    _draw(front, groups, (_PANEL[0] * columns, _PANEL[1] * rows + 0.4), path)
    return True


def _draw(front: Front, scores: Sequence[str], size: tuple[float, float], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    look = styles(front.methods)
    columns = min(len(scores), _PANELS_IN_A_ROW)
    letters = int(_LEGEND_LETTERS * size[0] / WIDTH)
    names_in_a_row = max(1, min(len(look), letters // (max(map(len, look), default=1) + 5)))
    # The panels keep their height, however many names stand above them.
    more = max(0, -(-len(look) // names_in_a_row) - _LEGEND_ROWS)
    size = (size[0], size[1] + more * _LEGEND_ROW)
    settings: dict[Any, Any] = {
        "font.size": _FONT,
        # A dollar in a name is a dollar.
        "text.parse_math": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "lines.linewidth": 0.9,
    }
    with pyplot.rc_context(settings):
        figure, grid = pyplot.subplots(
            -(-len(scores) // columns), columns, squeeze=False, figsize=size, layout=_layout()
        )
        panels = list(grid.flat)
        for axes in panels[len(scores) :]:
            axes.remove()
        for axes, score in zip(panels, scores, strict=False):
            _panel(axes, front, score, look)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside upper center",
            ncols=names_in_a_row,
            frameon=False,
            handlelength=1.6,
            columnspacing=1.0,
            handletextpad=0.5,
            labelspacing=0.25,
            borderaxespad=0.1,
        )
        reward = f"{axis_label(front, REWARD)} ± standard error"
        if len(scores) == 1:
            panels[0].set_xlabel(reward, labelpad=2)
        else:
            figure.supxlabel(reward, fontsize=_FONT)
        for axes, score in zip(panels, scores, strict=False):
            _name_parents(axes, figure, front, score)
        with whole_file(path) as file:
            figure.savefig(file, dpi=_DPI, format="png")
        pyplot.close(figure)


def _layout() -> Any:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.03)


def _panel(axes: Any, front: Front, score: str, look: dict[str, Style]) -> None:
    axes.margins(0.17, 0.15)
    # Few enough that long numbers don't touch.
    axes.locator_params(axis="x", nbins=5 if score == SKILL else 3)
    axes.tick_params(length=2.5, width=0.6, pad=2)
    if score == SKILL:
        axes.set_ylabel(axis_label(front, score), labelpad=2)
    else:
        # A group and its measure, or the unit, on a line of its own.
        axes.set_title(
            re.sub(r"(, | (?=\())", "\n", axis_label(front, score), count=1), fontsize=_FONT, pad=3
        )
    axes.grid(linewidth=0.3, alpha=0.5)
    for method, style in look.items():
        points = front.line(method)
        spots = [place(front, point, score) for point in points]
        axes.plot(*zip(*[spot[:2] for spot in spots], strict=True), color=style.colour, alpha=0.5, zorder=2)
        bars = {"color": style.colour, "fmt": style.marker, "markersize": 3.2, "elinewidth": 0.6}
        for best in (True, False):
            here = [
                spot for spot, point in zip(spots, points, strict=True) if point.curve and point.best is best
            ]
            rewards, values, reward_errors, errors = zip(*here, strict=True) if here else ((),) * 4
            axes.errorbar(
                rewards,
                values,
                errors,
                reward_errors,
                alpha=1.0 if best else _FAINT,
                markeredgewidth=0,
                zorder=4 if best else 3,
                **bars,
            )
        # The legend shows the method as it is drawn where it counts.
        axes.plot([], [], style.marker, linestyle="-", color=style.colour, markersize=3.2, label=method)
    for number in (AFTER, BEFORE):
        reward, value, reward_error, error = place(front, front.points[number], score)
        axes.errorbar(
            reward,
            value,
            error,
            reward_error,
            fmt="s",
            color=PARENT_COLOUR,
            markersize=4,
            elinewidth=0.6,
            zorder=5,
        )


def _name_parents(axes: Any, figure: Any, front: Front, score: str) -> None:
    """Write the parents' names beside them, where they cover nothing."""
    # Only now is it known where the axes lie.
    figure.draw_without_rendering()
    spots = [place(front, point, score) for point in front.points]
    lines = [[place(front, point, score)[:2] for point in front.line(method)] for method in front.methods]
    for number, name in ((AFTER, "after"), (BEFORE, "before")):
        place_label(axes, name, spots[number], [*spots, *(spot for line in lines for spot in along(line))])
