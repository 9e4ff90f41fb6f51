"""Tables of counts on stdout."""

from collections.abc import Iterable, Sequence

_WIDTH = 140


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under a title; whole numbers stand to the right, with their thousands apart."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, title=Text(title), title_justify="left")
    cells = [list(row) for row in rows]
    for number, name in enumerate(columns):
        is_count = bool(cells) and all(isinstance(row[number], int) for row in cells)
        table.add_column(name, justify="right" if is_count else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    Console(width=_WIDTH, highlight=False, soft_wrap=True).print(table)
