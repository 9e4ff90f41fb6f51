"""Colours, markers and names that the front's picture and page share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ama.report.front.model import PLAIN, REWARD, SKILL, Front, FrontPoint

PARENT_COLOUR = "#000000"
# Okabe and Ito's, which people with any colour vision tell apart; yellow is too light on white.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
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


def place(front: Front, point: FrontPoint, column: str = SKILL) -> tuple[float, float, float, float]:
    """Return where a point is drawn: reward, the column's score, and the standard errors of both.

    Pooled sweeps are drawn in scaled units, and their groups and measures as changes from before.
    """
    reward, score = point.scores[REWARD], point.scores[column]
    if front.pooled and point.scaled is not None:
        reward = point.scaled[0]
        score = point.scaled[1] if column == SKILL else score
    return reward.value, score.value, reward.error or 0.0, score.error or 0.0


def score_label(front: Front, column: str) -> str:
    """Return what the scores of a column are: of pooled sweeps, changes."""
    label = next(entry.label for entry in front.columns if entry.name == column)
    return f"{label.split(' (')[0]}, change from before" if front.pooled else label


def axis_label(front: Front, column: str) -> str:
    """Return what an axis shows; see `place`."""
    if front.pooled and front.no_tax is None and column in (REWARD, SKILL):
        return f"scaled {column}"
    return score_label(front, column)
