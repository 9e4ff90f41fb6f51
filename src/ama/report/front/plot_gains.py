"""The gain over plain averaging against the share of the reward gain that is kept, a panel for each skill."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from ama.checkpoint.whole_file import whole_file
from ama.report.front.model import SHARES, Front, Gain
from ama.report.front.style import PAPER, Style, styles

_PANEL = 2.3, 1.9
_PANELS_IN_A_ROW = 4
_DPI = 300
_BAND = 0.15


def plot_gains(front: Front, path: Path) -> bool:
    """Draw a line for each method with a band of its 95 % interval.

    Args:
        front: what was measured.
        path: .png to write; it appears when it is whole.

    Returns:
        False, and nothing is drawn, if no gain is known.
    """
    known = [gain for gain in front.gains if gain.gain.known]
    scores = [column for column in front.columns if any(gain.column == column.name for gain in known)]
    if not scores:
        return False
    columns = min(len(scores), _PANELS_IN_A_ROW)
    rows = -(-len(scores) // columns)
    look = {name: style for name, style in styles(front.methods).items() if name in {g.curve for g in known}}
    with rc_context(PAPER):
        size = (_PANEL[0] * columns, _PANEL[1] * rows + 0.5)
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.03))
        panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True).flat)
        for axes in panels[len(scores) :]:
            axes.remove()
        for axes, column in zip(panels, scores, strict=False):
            axes.set_title(column.label.split(" (")[0], pad=3)
            _panel(axes, [gain for gain in known if gain.column == column.name], look)
        figure.legend(handles=_key(look), loc="outside upper center", ncols=columns, frameon=False)
        figure.supxlabel("share of the reward gain kept, percent", fontsize=PAPER["font.size"])
        figure.supylabel("gain over plain averaging, points", fontsize=PAPER["font.size"])
        with whole_file(path) as file:
            figure.savefig(file, dpi=_DPI, format="png")
    return True


def _key(look: dict[str, Style]) -> list[Line2D]:
    return [
        Line2D([], [], color=style.colour, marker=style.marker, markersize=3.2, label=name)
        for name, style in look.items()
    ]


def _panel(axes: Axes, gains: Sequence[Gain], look: dict[str, Style]) -> None:
    axes.axhline(0, color="black", linewidth=0.6)
    axes.grid(linewidth=0.3, alpha=0.5)
    axes.tick_params(length=2.5, width=0.6, pad=2)
    # Evenly, so that the last ones have room.
    axes.set_xticks(range(len(SHARES)), [f"{100 * share:g}" for share in SHARES])
    axes.set_xlim(-0.3, len(SHARES) - 0.7)
    for name, style in look.items():
        own = [gain for gain in gains if gain.curve == name]
        places = [SHARES.index(gain.share) for gain in own]
        axes.plot(places, [gain.gain.value for gain in own], style.marker, color=style.colour, ls="-", ms=3.2)
        ends = [_interval(gain) for gain in own]
        axes.fill_between(
            places,
            [low for low, _ in ends],
            [high for _, high in ends],
            color=style.colour,
            alpha=_BAND,
            lw=0,
        )


def _interval(gain: Gain) -> tuple[float, float]:
    """Return both ends, NaN where they are not known, which leaves the band open."""
    low, high = gain.gain.low, gain.gain.high
    return (math.nan, math.nan) if low is None or high is None else (low, high)
