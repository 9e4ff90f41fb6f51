"""The interactive chart of a front."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from plotly import graph_objects

from ama.report.front.model import AFTER, BEFORE, REWARD, SKILL, Front, FrontPoint
from ama.report.front.style import PARENT_COLOUR, Style, styles
from ama.report.front.tables import estimate_text

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

    figure: graph_objects.Figure
    traces: list[list[int]]
    columns: tuple[str, ...]
    colours: list[str]
    shown: int


# A trace, and the numbers of the points that it shows.
_Trace = tuple[list[int], graph_objects.Scatter]


def make_chart(front: Front) -> Chart:
    """Draw reward against mean skill: curves as lines and points, the parents, the recommended point."""
    look = styles(front.methods)
    traces = [trace for name, style in look.items() for trace in _curve(front, name, style)]
    parents = [number for number in (BEFORE, AFTER) if front.points[number].known]
    traces.append(_parents(front, parents))
    shown = front.choices[0].point if front.choices else parents[0] if parents else BEFORE
    if front.choices:
        traces.append(_ring(front, shown))
    figure = graph_objects.Figure([trace for _, trace in traces])
    figure.update_layout(
        template="plotly_white",
        margin={"l": 10, "r": 10, "t": 36, "b": 10},
        xaxis={
            "title": {"text": escape(front.axis_label(REWARD))},
            "automargin": True,
            "range": _reward_range(front),
        },
        yaxis={"title": {"text": escape(front.axis_label(SKILL))}, "automargin": True},
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
        hoverlabel={"align": "left", "font": {"size": 12}},
        hovermode="closest",
    )
    colours = [look[point.curve].colour if point.curve else PARENT_COLOUR for point in front.points]
    columns = (SKILL, *(column.name for column in front.columns if column.name not in (REWARD, SKILL)))
    return Chart(figure, [points for points, _ in traces], columns, colours, shown)


def _trace(front: Front, points: list[int], *, errors: bool = False, **options: Any) -> _Trace:
    spots = [front.place(front.points[number]) for number in points]
    axes: dict[str, Any] = {}
    for side, axis in enumerate(("x", "y")):
        axes[axis] = [spot[side] for spot in spots]
        axes[f"error_{axis}"] = {
            "type": "data",
            "array": [spot[2 + side] for spot in spots],
            "visible": errors,
            "thickness": 1,
            "width": 0,
        }
    return points, graph_objects.Scatter(**axes, **options)


def _curve(front: Front, name: str, style: Style) -> Iterator[_Trace]:
    """Yield a method's line, its entry in the legend, and its points, those that are dominated faint."""
    numbers = {id(point): number for number, point in enumerate(front.points)}
    line = [numbers[id(point)] for point in front.line(name)]
    shared: dict[str, Any] = {"legendgroup": name, "name": escape(name)}
    yield _trace(
        front,
        line,
        mode="lines",
        line={"color": style.colour, "width": 1.5},
        opacity=0.5,
        showlegend=False,
        hoverinfo="skip",
        **shared,
    )
    # The legend shows the method as it is drawn where it counts, even if it is dominated everywhere.
    entry = graph_objects.Scatter(
        x=[None],
        y=[None],
        mode="lines+markers",
        line={"color": style.colour},
        marker={"symbol": style.symbol, "size": 9},
        **shared,
    )
    yield [], entry
    for best in (False, True):
        points = [number for number in line if number > AFTER and front.points[number].best is best]
        yield _trace(
            front,
            points,
            errors=True,
            mode="markers",
            marker={"color": style.colour, "symbol": style.symbol, "size": 9},
            opacity=1.0 if best else _FAINT,
            showlegend=False,
            hovertext=[_hover(front, front.points[number]) for number in points],
            hoverinfo="text",
            **shared,
        )


def _parents(front: Front, numbers: list[int]) -> _Trace:
    return _trace(
        front,
        numbers,
        errors=True,
        mode="markers+text",
        marker={"color": PARENT_COLOUR, "symbol": "square", "size": 10},
        text=[_parent_name(front, number) for number in numbers],
        textposition=["bottom left" if number == BEFORE else "bottom right" for number in numbers],
        hovertext=[_hover(front, front.points[number]) for number in numbers],
        hoverinfo="text",
        showlegend=False,
        name="parents",
    )


def _ring(front: Front, number: int) -> _Trace:
    line = {"color": "#444", "width": 1.5}
    return _trace(
        front,
        [number],
        mode="markers",
        marker={"color": _HIDDEN, "symbol": "circle", "size": 18, "line": line},
        hoverinfo="skip",
        name="recommended",
    )


def _parent_name(front: Front, number: int) -> str:
    name = f"<b>{front.points[number].schedule}</b>"
    # A space on the side of the error bar.
    return f"{name}\N{NO-BREAK SPACE}" if number == BEFORE else f"\N{NO-BREAK SPACE}{name}"


def _reward_range(front: Front) -> list[float] | None:
    """Return the ends of the horizontal axis, with room for the parents' names on both sides."""
    spots = [front.place(point) for point in front.points if point.known]
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
        f"{escape(front.score_label(name))} {estimate_text(found) or 'failed'}"
        for name, found in point.scores.items()
    ]
    return "<br>".join([*head, *scaled, *scores, *([] if point.best else ["dominated"])])
