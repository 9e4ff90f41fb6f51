"""Tables in Markdown."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markdown import Markdown

_WIDTH = 140


def markdown_row(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    # A split tag has bars of its own.
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, names: int = 1) -> list[str]:
    """Return the lines of a table.

    Args:
        header: of each column.
        rows: of cells.
        names: how many of the first columns stand to the left; the others to the right.
    """
    sides = ["---"] * names + ["---:"] * (len(header) - names)
    return [markdown_row(cells) for cells in (header, sides, *rows)]


def print_markdown_text(text: str) -> None:
    """Show Markdown on stdout: laid out on a terminal, as it is in a file or pipe."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)
    if console.is_terminal:
        console.print(Markdown(text), soft_wrap=False)
    else:
        console.print(text, markup=False, end="")
