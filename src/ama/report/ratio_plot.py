"""The path of learned ratios over the steps of their training, as a picture."""

from collections.abc import Sequence
from pathlib import Path

_LABELLED = 10


def plot_ratios(path: Sequence[Sequence[float]], labels: Sequence[str], mean: float, file: Path) -> None:
    """Draw one line per ratio, and their mean.

    Args:
        path: the ratios before the first step and after each, shape (steps + 1, n).
        labels: name of each ratio, shape (n,).
        mean: their mean.
        file: .png to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
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
    pyplot.close(figure)
