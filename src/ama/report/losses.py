"""The latest losses of each model on each text, from a file of scores: as a table, and against the ratio."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ama.errors import UserError
from ama.evaluation.scores import Score, number_text, read_scores
from ama.report.scores import write_csv
from ama.settings.report import LossesSettings

# Of the table, in letters.
_WIDTH = 140
# Of the plot, in inches: a paper's column.
_PLOT_WIDTH, _PANEL_HEIGHT = 3.3, 1.5
_PLAIN, _PART_WISE, _PARENTS = "#0072b2", "#d55e00", "#000000"


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


def show_losses(settings: LossesSettings) -> None:
    """Print the losses in a file of scores, and plot them against the ratio if that is asked for.

    Raises:
        UserError: there is no such file, loss or model, or losses can't be compared.
    """
    if not settings.scores.is_file():
        raise UserError(f"{settings.scores}: no such file")
    models = latest_losses(read_scores(settings.scores), settings.metric)
    known = {model.model for model in models}
    for flag, parent in (("--before", settings.before), ("--after", settings.after)):
        if parent is not None and parent not in known:
            raise UserError(f"{flag} {parent}: not among the measured models: {', '.join(sorted(known))}")
    if settings.csv:
        write_csv(score for model in models for score in model.scores.values())
    else:
        print_losses(models, settings.metric)
    if settings.plot is not None:
        plot_losses(models, settings.metric, settings.before, settings.after, settings.plot)


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


def plot_losses(
    models: Sequence[ModelLosses], metric: str, before: str | None, after: str | None, path: Path
) -> None:
    """Draw a panel per text: plain averages as a line, part-wise ones beside it, the two parents at 1 and 0.

    Args:
        models: what was measured.
        metric: label of the vertical axes.
        before: path of the model before RLHF, drawn at ratio 1 and joined to the line.
        after: path of the model after RLHF, drawn at ratio 0.
        path: image to write; its suffix decides the format.
    """
    tasks = tasks_of(models)
    with rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        size = (_PLOT_WIDTH, 0.6 + _PANEL_HEIGHT * len(tasks))
        figure = Figure(figsize=size)
        grid = figure.subplots(len(tasks), sharex=True, squeeze=False)
        for axes, task in zip(grid[:, 0], tasks, strict=True):
            _panel(axes, [model for model in models if task in model.scores], task, before, after)
            axes.set_ylabel(f"{metric}, {task}")
        grid[-1, 0].set_xlabel("ratio (weight of the model before)")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper center", ncols=2, frameon=False)
        figure.tight_layout(rect=(0, 0, 1, 1 - 0.45 / size[1]))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=300)


def _panel(
    axes: Axes, models: Sequence[ModelLosses], task: str, before: str | None, after: str | None
) -> None:
    parents = [model for model in models if model.model in (before, after)]
    averages = [model for model in models if model.ratio is not None and model not in parents]
    ends = _points(parents, task, before)
    plain = _points([model for model in averages if not model.is_part_wise], task, before)
    part_wise = _points([model for model in averages if model.is_part_wise], task, before)
    line = sorted({point[0]: point for point in [*plain, *ends]}.values())
    series: Sequence[tuple[str, Sequence[tuple[float, float, float]], dict[str, Any]]] = (
        ("plain average", line, {"fmt": "o-", "color": _PLAIN}),
        ("part-wise average", part_wise, {"fmt": "D", "color": _PART_WISE}),
        ("before (1), after (0)", ends, {"fmt": "s", "color": _PARENTS}),
    )
    for label, points, style in series:
        if points:
            ratios, values, errors = zip(*points, strict=True)
            axes.errorbar(ratios, values, errors, label=label, markersize=3.5, linewidth=1, **style)


def _points(models: Sequence[ModelLosses], task: str, before: str | None) -> list[tuple[float, float, float]]:
    """Return ratio, value and standard error of each model; one that is no average is a parent: 1 or 0."""
    ratios = [float(model.model == before) if model.ratio is None else model.ratio for model in models]
    scores = [model.scores[task] for model in models]
    return [(ratio, score.value, score.stderr or 0.0) for ratio, score in zip(ratios, scores, strict=True)]
