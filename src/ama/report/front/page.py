"""The report of a front as one page of HTML, with everything in it, that opens without network."""

import json
import math
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from ama.report.front.chart import Chart, make_chart
from ama.report.front.model import Front
from ama.report.front.tables import Cell, Table, explanations, tables

_DOMINATED = "(dominated)"


def front_page(front: Front) -> str:
    """Return the page: an interactive chart, a point's ratios, tables that sort, notes, provenance."""
    chart = make_chart(front)
    lead = "" if front.no_tax is None else f'<p class="lead"><strong>{escape(front.no_tax)}</strong></p>'
    options = (f"<option>{escape(front.axis_label(name))}</option>" for name in chart.columns)
    notes = (f"<li>{escape(note)}</li>" for note in (*explanations(front), *front.notes))
    facts = (f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in front.facts)
    sections = (f"<h2>{escape(title)}</h2>\n{_table(table)}" for title, table in tables(front))
    config = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    plot = chart.figure.to_html(
        full_html=False, include_plotlyjs=True, include_mathjax=False, div_id="front", config=config
    )
    return Template(_resource("html")).substitute(
        style=_resource("css"),
        lead=lead,
        options="".join(options),
        plot=plot,
        tables="\n".join(sections),
        notes="\n".join(notes),
        facts="\n".join(facts),
        data=_data(front, chart),
        script=_resource("js"),
    )


def _resource(kind: str) -> str:
    return files("ama.report.front").joinpath(f"page.{kind}").read_text(encoding="utf-8")


def _data(front: Front, chart: Chart) -> str:
    """Return what the page's script needs, as JSON that may stand in HTML."""
    columns = []
    for name in chart.columns:
        spots = [front.place(point, name) for point in front.points]
        columns.append(
            {
                "label": front.axis_label(name),
                "values": _finite(spot[1] for spot in spots),
                "errors": _finite(spot[3] for spot in spots),
            }
        )
    points = [
        {
            "label": point.label,
            "ratios": list(point.ratios.items()),
            "colour": chart.colours[number],
        }
        for number, point in enumerate(front.points)
    ]
    data: dict[str, Any] = {
        "columns": columns,
        "points": points,
        "traces": chart.traces,
        "shown": chart.shown,
    }
    return json.dumps(data, allow_nan=False).replace("</", "<\\/")


def _finite(numbers: Iterable[float]) -> list[float | None]:
    return [number if math.isfinite(number) else None for number in numbers]


def _table(table: Table) -> str:
    sides = [' class="name"' if number < table.names else "" for number in range(len(table.header))]
    heads = (
        f'<th scope="col"{side}><button type="button">{escape(name)}</button></th>'
        for side, name in zip(sides, table.header, strict=True)
    )
    rows = "\n".join(f"<tr{_row_class(row)}>{''.join(map(_cell, row, sides))}</tr>" for row in table.rows)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{"".join(heads)}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _row_class(row: Iterable[Cell]) -> str:
    return ' class="dominated"' if any(cell.text.endswith(_DOMINATED) for cell in row) else ""


def _cell(cell: Cell, side: str) -> str:
    value = cell.text if side else "" if cell.value is None else repr(cell.value)
    kind = f' class="failed" title="{escape(cell.why)}"' if cell.why else side
    return f'<td{kind} data-value="{escape(value)}">{escape(cell.text)}</td>'
