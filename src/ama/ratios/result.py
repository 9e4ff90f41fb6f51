"""Learned ratios with their path and verdict, and the files that they are written to."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from ama.averaging.schedules.learned import LearnedMask
from ama.averaging.schedules.mask_alphas import write_mask

PLOT_NAME = "mask_alphas.png"
_LABELLED = 10


@dataclass(frozen=True)
class RatioResult:
    """What a training or a search of the ratios ends with.

    Attributes:
        mask: the learned ratios, as a merge takes them: `mask.ratios()`, `mask.schedule()`.
        path: the ratios before the first step and after each (of a search: the best after each generation),
            shape (steps + 1, n).
        verdict: lines that say whether the ratios have converged.
        metrics: numbers of the run: seconds and mean loss, or evaluations and objective.
    """

    mask: LearnedMask
    path: list[list[float]]
    verdict: list[str]
    metrics: Mapping[str, float]


def write_result(result: RatioResult, facts: Mapping[str, Any], out: Path) -> None:
    """Write mask_alphas.png, .json and .bin, in this order, and say where the ratios ended.

    Args:
        result: of a training or a search.
        facts: what else the readable form says: settings, models, data, versions.
        out: an existing folder.
    """
    sys.stderr.writelines(f"{line}\n" for line in result.verdict)
    mask = result.mask
    plot_path(result.path, mask.labels, mask.mean, out / PLOT_NAME)
    run = {"metrics": result.metrics, "verdict": result.verdict, "path": result.path}
    write_mask(mask, out, {**facts, **run})
    sys.stderr.write(f"{out}: ratios {' '.join(f'{ratio:.4f}' for ratio in mask.ratios())}\n")


def plot_path(path: Sequence[Sequence[float]], labels: Sequence[str], mean: float, file: Path) -> None:
    """Draw one line per ratio, and their mean.

    Args:
        path: the ratios before the first step and after each, shape (steps + 1, n).
        labels: name of each ratio, shape (n,).
        mean: their mean.
        file: .png to write.
    """
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    colours = matplotlib.colormaps["viridis"]
    for block, label in enumerate(labels):
        colour = colours(block / max(1, len(labels) - 1))
        axes.plot([ratios[block] for ratios in path], color=colour, label=label)
    axes.axhline(mean, color="grey", linestyle=":", label="mean")
    axes.set_xlabel("step")
    axes.set_ylabel("ratio (weight of the model before)")
    if len(labels) <= _LABELLED:
        axes.legend(title="block")
    figure.tight_layout()
    figure.savefig(file, dpi=120)
