"""Colours and markers that the front's picture and page share."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ama.report.front.model import PLAIN

PARENT_COLOUR = "#000000"
FONT = 7.5
PAPER: dict[Any, Any] = {
    "font.size": FONT,
    "axes.titlesize": FONT,
    # A dollar in a name is a dollar.
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 0.9,
}
"""Of matplotlib, for pictures at the width of a paper's column."""
# Okabe and Ito's, which people with any colour vision tell apart, without yellow, too light on white; then a
# dark brown and a dark purple, so that eight curves differ in colour, too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b3d00", "#4b2a85")
# Of matplotlib, and of plotly.
_MARKERS = (
    ("o", "circle"),
    ("D", "diamond"),
    ("^", "triangle-up"),
    ("v", "triangle-down"),
    ("P", "cross"),
    ("X", "x"),
    ("p", "pentagon"),
)


class Style(NamedTuple):
    """How a curve is drawn.

    Attributes:
        colour: as `#rrggbb`.
        marker: matplotlib's.
        symbol: plotly's.
    """

    colour: str
    marker: str
    symbol: str


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """Return a style for each curve; plain averaging always has the first.

    With more curves than colours the colours come again with other markers.
    """
    ordered = sorted(methods, key=lambda name: name != PLAIN)
    first = 0 if PLAIN in methods else 1
    return {
        name: Style(_COLOURS[number % len(_COLOURS)], *_MARKERS[number % len(_MARKERS)])
        for number, name in enumerate(ordered, start=first)
    }
