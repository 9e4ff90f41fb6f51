"""Losses as a table: a row per model, a column per text."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ama.evaluation.scores import Score, number_text
from ama.report.losses import ModelLosses, tasks_of

_WIDTH = 140


def print_losses(models: Sequence[ModelLosses], metric: str) -> None:
    """Print the table on stdout, with standard errors; on a terminal each text's lowest value is bold."""
    tasks = tasks_of(models)
    blocks = {task: max(model.scores[task].n for model in models if task in model.scores) for task in tasks}
    lowest = {task: min(m.scores[task].value for m in models if task in m.scores) for task in tasks}
    table = Table(box=SIMPLE, title=f"{metric} ± standard error over blocks", title_justify="left")
    table.add_column("model", overflow="fold")
    table.add_column("ratio", justify="right")
    for task in tasks:
        table.add_column(f"{task} ({blocks[task]} blocks)", justify="right")
    for model in models:
        cells = [_cell(model.scores.get(task), lowest[task]) for task in tasks]
        table.add_row(model.name, "" if model.ratio is None else f"{model.ratio:g}", *cells)
    Console(width=_WIDTH, highlight=False, soft_wrap=True).print(table)


def _cell(score: Score | None, lowest: float) -> str:
    if score is None:
        return ""
    text = number_text(score.value, score.stderr)
    return f"[bold]{text}[/bold]" if score.value == lowest else text
