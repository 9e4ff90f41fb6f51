"""Losses as a table: a row per model, a column per text."""

import csv
import sys
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ama.evaluation.scores import Score
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


def write_csv(models: Sequence[ModelLosses]) -> None:
    """Write the same as comma-separated values on stdout, in full precision, a row per model and text."""
    writer = csv.writer(sys.stdout)
    writer.writerow(("model", "schedule", "ratio", "task", "metric", "value", "stderr", "n"))
    for model in models:
        for task, score in model.scores.items():
            numbers = (score.metric, score.value, score.stderr, score.n)
            writer.writerow((model.model, model.schedule, model.ratio, task, *numbers))


def _cell(score: Score | None, lowest: float) -> str:
    if score is None:
        return ""
    text = f"{score.value:.4f}" + ("" if score.stderr is None else f" ± {score.stderr:.4f}")
    return f"[bold]{text}[/bold]" if score.value == lowest else text
