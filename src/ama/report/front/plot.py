"""The front as a picture at the width of a paper's column, and a panel for each skill group."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ama.checkpoint.whole_file import whole_file
from ama.report.front.model import AFTER, BEFORE, REWARD, SKILL, Front
from ama.report.front.style import FONT, PAPER, PARENT_COLOUR, Style, styles

WIDTH, HEIGHT = 3.3, 2.6
_PANEL = 2.1, 1.9
_PANELS_IN_A_ROW = 3
_DPI = 300
_FAINT = 0.35
_DOTS = {"markersize": 3.2, "markeredgewidth": 0}
# What fits into the width of a column; rows of names in the figure's usual height; inches for one more.
_LEGEND_LETTERS, _LEGEND_ROWS, _LEGEND_ROW = 46, 2, 0.14
# Of the parents' names. Shares of a name's own size by which its middle is moved, the nearest places first.
_SIDES = ((0, -1), (0, 1), (1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1))
_GAPS = (5.0, 8.0, 12.0, 17.0)
_CLEARANCE = 2.5
_STEPS = 40

Spot = tuple[float, float, float, float]


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
    look = styles(front.methods)
    columns = min(len(scores), _PANELS_IN_A_ROW)
    letters = int(_LEGEND_LETTERS * size[0] / WIDTH)
    names_in_a_row = max(1, min(len(look), letters // (max(map(len, look), default=1) + 5)))
    # The panels keep their height, however many names stand above them.
    more = max(0, -(-len(look) // names_in_a_row) - _LEGEND_ROWS)
    size = (size[0], size[1] + more * _LEGEND_ROW)
    with rc_context(PAPER):
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.03))
        panels = list(figure.subplots(-(-len(scores) // columns), columns, squeeze=False).flat)
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
        reward = f"{front.axis_label(REWARD)} ± standard error"
        if len(scores) == 1:
            panels[0].set_xlabel(reward, labelpad=2)
        else:
            figure.supxlabel(reward, fontsize=FONT)
        for axes, score in zip(panels, scores, strict=False):
            _name_parents(axes, figure, front, score)
        with whole_file(path) as file:
            figure.savefig(file, dpi=_DPI, format="png")


def _panel(axes: Axes, front: Front, score: str, look: dict[str, Style]) -> None:
    axes.margins(0.17, 0.15)
    # Few enough that long numbers don't touch.
    axes.locator_params(axis="x", nbins=5 if score == SKILL else 3)
    axes.tick_params(length=2.5, width=0.6, pad=2)
    if score == SKILL:
        axes.set_ylabel(front.axis_label(score), labelpad=2)
    else:
        # A group and its measure, or the unit, on a line of its own.
        axes.set_title(re.sub(r"(, | (?=\())", "\n", front.axis_label(score), count=1), fontsize=FONT, pad=3)
    axes.grid(linewidth=0.3, alpha=0.5)
    for method, style in look.items():
        points = front.line(method)
        spots = [front.place(point, score) for point in points]
        axes.plot(*zip(*[spot[:2] for spot in spots], strict=True), color=style.colour, alpha=0.5, zorder=2)
        bars: dict[str, Any] = {"fmt": style.marker, "color": style.colour, "elinewidth": 0.6, **_DOTS}
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
                zorder=4 if best else 3,
                **bars,
            )
        # The legend shows the method as it is drawn where it counts.
        axes.plot([], [], style.marker, linestyle="-", color=style.colour, markersize=3.2, label=method)
    for number in (AFTER, BEFORE):
        reward, value, reward_error, error = front.place(front.points[number], score)
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


def _name_parents(axes: Axes, figure: Figure, front: Front, score: str) -> None:
    """Write the parents' names beside them, where they cover nothing."""
    # Only now is it known where the axes lie.
    figure.draw_without_rendering()
    spots = [front.place(point, score) for point in front.points]
    lines = [[front.place(point, score)[:2] for point in front.line(method)] for method in front.methods]
    for number, name in ((AFTER, "after"), (BEFORE, "before")):
        place_label(axes, name, spots[number], [*spots, *(spot for line in lines for spot in along(line))])


def place_label(axes: Axes, text: str, spot: Spot, spots: Sequence[Spot]) -> None:
    """Write a text beside a spot.

    Args:
        axes: matplotlib axes whose size is settled.
        text: what to write.
        spot: abscissa, ordinate and the errors of both.
        spots: all that must not be covered; those that are not finite are passed over.
    """
    if not all(map(math.isfinite, spot)):
        return
    known = [other for other in spots if all(map(math.isfinite, other))]
    points_per_dot = 72 / axes.figure.dpi
    label = axes.annotate(text, spot[:2], xytext=(0, 0), textcoords="offset points", ha="center", va="center")
    size = label.get_window_extent()
    others = [entry.get_window_extent() for entry in axes.texts if entry is not label]
    boxes = [box for other in known for box in _boxes(axes, other)]
    boxes += [(box.x0, box.y0, box.x1, box.y1) for box in others]
    frame = axes.get_window_extent().padded(-_CLEARANCE / points_per_dot)
    centre = axes.transData.transform(spot[:2])
    tries = []
    for gap in _GAPS:
        for right, up in _SIDES:
            shift = (
                right * (size.width / 2 + gap / points_per_dot),
                up * (size.height / 2 + gap / points_per_dot),
            )
            middle = centre[0] + shift[0], centre[1] + shift[1]
            half = size.width / 2, size.height / 2
            box = middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]
            inside = box[0] >= frame.x0 and box[2] <= frame.x1 and box[1] >= frame.y0 and box[3] <= frame.y1
            covered = sum(_overlap(box, other) for other in boxes)
            tries.append((not inside, covered, shift))
    # The first of the least covered ones; min keeps the order.
    _, _, shift = min(tries, key=lambda found: found[:2])
    label.set_position((shift[0] * points_per_dot, shift[1] * points_per_dot))


def along(line: Sequence[tuple[float, float]]) -> Iterator[Spot]:
    """Yield spots without errors, close to each other, on the lines between neighbouring points."""
    for (x, y), (u, v) in pairwise(line):
        for step in range(1, _STEPS):
            share = step / _STEPS
            yield x + share * (u - x), y + share * (v - y), 0.0, 0.0


def _boxes(axes: Axes, spot: Spot) -> list[tuple[float, float, float, float]]:
    """Return what a point's two error bars take up, in dots."""
    x, y, x_error, y_error = spot
    margin = _CLEARANCE * axes.figure.dpi / 72
    boxes = []
    for right, up in ((x_error, 0.0), (0.0, y_error)):
        low = axes.transData.transform((x - right, y - up))
        high = axes.transData.transform((x + right, y + up))
        boxes.append((low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin))
    return boxes


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
