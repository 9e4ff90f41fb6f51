"""Losses against the ratio, at the width of a paper's column."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ama.report.losses import ModelLosses, tasks_of

WIDTH = 3.3
PANEL_HEIGHT = 1.5
PLAIN, PART_WISE, PARENTS = "#0072b2", "#d55e00", "#000000"


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
        size = (WIDTH, 0.6 + PANEL_HEIGHT * len(tasks))
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
        ("plain average", line, {"fmt": "o-", "color": PLAIN}),
        ("part-wise average", part_wise, {"fmt": "D", "color": PART_WISE}),
        ("before (1), after (0)", ends, {"fmt": "s", "color": PARENTS}),
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
