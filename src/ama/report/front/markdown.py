"""The report of a front as Markdown: its curves, the points that it singles out, all points."""

from __future__ import annotations

from collections.abc import Iterator

from ama.report.front.cells import (
    Table,
    choice_table,
    curve_table,
    explanations,
    point_table,
    seed_table,
)
from ama.report.front.model import Front
from ama.report.markdown import markdown_table


def front_markdown(front: Front) -> str:
    """Return the whole report."""
    return "\n".join(_lines(front)) + "\n"


def _lines(front: Front) -> Iterator[str]:
    yield "# Reward-tax front"
    if front.no_tax is not None:
        yield from ("", front.no_tax)
    for title, table in tables(front):
        yield from ("", f"## {title}", "", *_table(table))
    yield from ("", "## Notes", "", *(f"- {note}" for note in (*explanations(front), *front.notes)))
    yield from ("", "## Provenance", "", *(f"- {label}: {value}" for label, value in front.facts))


def tables(front: Front) -> list[tuple[str, Table]]:
    """Return the tables that there are, with their titles."""
    found = [("Points", point_table(front))]
    if front.no_tax is None:
        found = [("Recommendation", choice_table(front)), ("Curves", curve_table(front)), *found]
    if front.pooled:
        found.append(("Each sweep by itself", seed_table(front)))
    return found


def _table(table: Table) -> list[str]:
    rows = [[cell.text + (f" ({cell.why})" if cell.why else "") for cell in row] for row in table.rows]
    return markdown_table(table.header, rows, names=table.names)
