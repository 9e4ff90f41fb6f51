"""The interactive chart of a front."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from ama.report.front.cells import estimate_text
from ama.report.front.model import AFTER, BEFORE, REWARD, SKILL, Front, FrontPoint
from ama.report.front.style import PARENT_COLOUR, axis_label, place, score_label, styles

_FAINT = 0.35
_HIDDEN = "rgba(0,0,0,0)"
# Shares of the range of rewards.
_ROOM = 0.17, 0.14


@dataclass(frozen=True)
class Chart:
    """A chart, and what a script needs to change it.

    Attributes:
        figure: plotly's.
        traces: the numbers of the points of each of its traces.
        columns: the scores that the vertical axis can show.
        colours: of each point.
        shown: the point whose ratios are shown at first.
    """

    figure: Any
    traces: list[list[int]]
    columns: tuple[str, ...]
    colours: list[str]
    shown: int


def make_chart(front: Front) -> Chart:
    """Draw reward against mean skill: curves as lines and points, the parents, the recommended point."""
    from plotly import graph_objects

    look = styles(front.methods)
    figure = graph_objects.Figure()
    traces: list[list[int]] = []
    numbers = {id(point): number for number, point in enumerate(front.points)}

    def add(points: list[int], errors: float, **options: Any) -> None:
        spots = [place(front, front.points[number]) for number in points]
        names = ("x", "y")
        bars = {
            f"error_{axis}": {
                "type": "data",
                "array": [spot[2 + side] for spot in spots],
                "visible": errors > 0,
                "thickness": 1,
                "width": 0,
            }
            for side, axis in enumerate(names)
        }
        data = {axis: [spot[side] for spot in spots] for side, axis in enumerate(names)}
        figure.add_trace(graph_objects.Scatter(**data, **bars, **options))
        traces.append(points)

    for name, style in look.items():
        line = [numbers[id(point)] for point in front.line(name)]
        shared = {"legendgroup": name, "name": escape(name)}
        add(
            line,
            0,
            mode="lines",
            line={"color": style.colour, "width": 1.5},
            opacity=0.5,
            showlegend=False,
            hoverinfo="skip",
            **shared,
        )
        # The legend shows the method as it is drawn where it counts, even if it is dominated everywhere.
        figure.add_trace(
            graph_objects.Scatter(
                x=[None],
                y=[None],
                mode="lines+markers",
                line={"color": style.colour},
                marker={"symbol": style.symbol, "size": 9},
                **shared,
            )
        )
        traces.append([])
        for best in (False, True):
            points = [number for number in line if number > AFTER and front.points[number].best is best]
            add(
                points,
                1,
                mode="markers",
                marker={"color": style.colour, "symbol": style.symbol, "size": 9},
                opacity=1.0 if best else _FAINT,
                showlegend=False,
                hovertext=[_hover(front, front.points[number]) for number in points],
                hoverinfo="text",
                **shared,
            )
    parents = [number for number in (BEFORE, AFTER) if front.points[number].known]
    add(
        parents,
        1,
        mode="markers+text",
        marker={"color": PARENT_COLOUR, "symbol": "square", "size": 10},
        text=[_parent_name(front, number) for number in parents],
        textposition=["bottom left" if number == BEFORE else "bottom right" for number in parents],
        hovertext=[_hover(front, front.points[number]) for number in parents],
        hoverinfo="text",
        showlegend=False,
        name="parents",
    )
    shown = front.choices[0].point if front.choices else parents[0] if parents else BEFORE
    if front.choices:
        add(
            [shown],
            0,
            mode="markers",
            marker={
                "color": _HIDDEN,
                "symbol": "circle",
                "size": 18,
                "line": {"color": "#444", "width": 1.5},
            },
            hoverinfo="skip",
            name="recommended",
        )
    figure.update_layout(
        template="plotly_white",
        margin={"l": 10, "r": 10, "t": 36, "b": 10},
        xaxis={
            "title": {"text": escape(axis_label(front, REWARD))},
            "automargin": True,
            "range": _reward_range(front),
        },
        yaxis={"title": {"text": escape(axis_label(front, SKILL))}, "automargin": True},
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
        hoverlabel={"align": "left", "font": {"size": 12}},
        hovermode="closest",
    )
    colours = [look[point.curve].colour if point.curve else PARENT_COLOUR for point in front.points]
    columns = (SKILL, *(column.name for column in front.columns if column.name not in (REWARD, SKILL)))
    return Chart(figure, traces, columns, colours, shown)


def _parent_name(front: Front, number: int) -> str:
    name = f"<b>{front.points[number].schedule}</b>"
    # A space on the side of the error bar.
    return f"{name}\N{NO-BREAK SPACE}" if number == BEFORE else f"\N{NO-BREAK SPACE}{name}"


def _reward_range(front: Front) -> list[float] | None:
    """Return the ends of the horizontal axis, with room for the parents' names on both sides."""
    spots = [place(front, point) for point in front.points if point.known]
    if not spots:
        return None
    low, high = min(spot[0] - spot[2] for spot in spots), max(spot[0] + spot[2] for spot in spots)
    return [low - _ROOM[0] * (high - low), high + _ROOM[1] * (high - low)]


def _hover(front: Front, point: FrontPoint) -> str:
    """Return all that is known of a point, in lines."""
    head = [
        f"<b>{escape(point.curve or 'parent')}</b>",
        escape(point.schedule),
        f"mean ratio {point.mean:.3f}",
    ]
    scaled = [
        f"scaled {name} {estimate_text(found)}"
        for name, found in zip((REWARD, SKILL), point.scaled or (), strict=False)
    ]
    scores = [
        f"{escape(score_label(front, name))} {estimate_text(found) or 'failed'}"
        for name, found in point.scores.items()
    ]
    return "<br>".join([*head, *scaled, *scores, *([] if point.best else ["dominated"])])
