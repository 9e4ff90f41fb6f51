"""The picture of a walk over prices: how mean ratios moved, and which modules keep before at each price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from ama.averaging.schedules.ratio_tensors import price_text


def plot_prices(
    path: Sequence[Sequence[float]],
    parts: Sequence[str],
    prices: Sequence[float],
    entries: Mapping[str, Any],
    file: Path,
) -> None:
    """Draw the path of each part's mean ratio, and at each price the mean ratios by layer and module.

    Args:
        path: mean ratios before the first step and after each, shape (steps + 1, parts).
        parts: their names.
        prices: the prices, which divide the steps evenly.
        entries: by price, `by_module` as of `means_by_module`.
        file: .png to write.
    """
    tables = [entries[price_text(price)]["by_module"] for price in prices]
    columns = list(dict.fromkeys(column for row in tables[0].values() for column in row))
    figure = Figure(figsize=(5 + 0.3 * len(columns) * len(tables), 4 + 0.12 * len(tables[0])))
    axes = figure.subplots(1, 1 + len(tables), width_ratios=[1.2, *[0.08 * len(columns) + 0.5] * len(tables)])
    colours = matplotlib.colormaps["viridis"]
    for place, part in enumerate(parts):
        axes[0].plot(
            [ratios[place] for ratios in path], color=colours(place / max(1, len(parts) - 1)), label=part
        )
    steps = (len(path) - 1) / len(prices)
    for place, price in enumerate(prices):
        axes[0].axvline(steps * (place + 1), color="grey", linestyle=":")
        axes[0].text(
            steps * (place + 1), 1.01, f"{price:g}", transform=axes[0].get_xaxis_transform(), ha="right"
        )
    axes[0].set_xlabel("step; on top the price")
    axes[0].set_ylabel("mean ratio (weight of the model before)")
    axes[0].legend(fontsize="xx-small")
    low = min(value for table in tables for row in table.values() for value in row.values())
    high = max(value for table in tables for row in table.values() for value in row.values())
    for axis, price, table in zip(axes[1:], prices, tables, strict=True):
        values = [[row.get(column, float("nan")) for column in columns] for row in table.values()]
        image = axis.imshow(values, aspect="auto", vmin=low, vmax=high)
        axis.set_title(f"price {price:g}", fontsize="small")
        axis.set_xticks(range(len(columns)), columns, rotation=90, fontsize="xx-small")
        axis.set_yticks(range(len(table)), list(table), fontsize="xx-small")
    figure.colorbar(image, ax=axes[-1], label="mean ratio")
    figure.tight_layout()
    figure.savefig(file, dpi=120)
