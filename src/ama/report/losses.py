"""The latest losses of each model on each text, from a file of scores, and their table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ama.errors import UserError
from ama.evaluation.scores import Score, number_text

_WIDTH = 140


@dataclass(frozen=True)
class ModelLosses:
    """What was measured of one model.

    Attributes:
        model: as it was given when it was measured.
        schedule: name of its ratio schedule, empty if it is no average.
        ratio: the schedule's alpha in [0, 1], None if it is no average.
        scores: the latest score on each text, by the text's name.
    """

    model: str
    schedule: str
    ratio: float | None
    scores: dict[str, Score] = field(hash=False)

    @property
    def name(self) -> str:
        """Last part of the model's path."""
        return Path(self.model).name

    @property
    def is_part_wise(self) -> bool:
        """Whether layers have different ratios: a plain average's schedule is named by its ratio alone."""
        return self.ratio is not None and self.schedule != repr(self.ratio)


def latest_losses(scores: Sequence[Score], metric: str) -> list[ModelLosses]:
    """Group the scores of one metric by model, models in the order in which they were first measured.

    Args:
        scores: all rows; of two on one text the later one counts.
        metric: `loss` or `perplexity`.

    Raises:
        UserError: if there are none, or if two models were measured on one text in different ways.
    """
    models: dict[str, ModelLosses] = {}
    for score in scores:
        if score.group == "loss" and score.metric == metric:
            earlier = models[score.model].scores if score.model in models else {}
            models[score.model] = ModelLosses(
                score.model, score.schedule, score.settings.get("ratio"), {**earlier, score.task: score}
            )
    if not models:
        raise UserError(f"no scores of metric {metric!r}: measure some with python -m ama.evaluate_loss")
    for task in tasks_of(list(models.values())):
        _check_comparable(task, [model.scores[task] for model in models.values() if task in model.scores])
    return list(models.values())


def tasks_of(models: Sequence[ModelLosses]) -> list[str]:
    """Return the names of the texts, in the order in which they were first measured."""
    return list(dict.fromkeys(task for model in models for task in model.scores))


def _check_comparable(task: str, scores: Sequence[Score]) -> None:
    for name in ("data", "block_size", "max_blocks"):
        values = {str(score.settings.get(name)) for score in scores}
        if len(values) > 1:
            raise UserError(
                f"losses on {task!r} can't be compared: {name} is {' and '.join(sorted(values))}; "
                "measure all models in one way, into a file of their own"
            )


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
