"""The files of free ratios: each price as soon as it is done, and all of them as a result at the end."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash
from huggingface_hub import save_torch_state_dict
from torch import Tensor

from ama.averaging.schedules.ratio_tensors import means_by_module, price_folder, price_text
from ama.checkpoint.whole_file import write_whole
from ama.ratios.free_ratios import FreeRatios
from ama.ratios.price_plot import plot_prices
from ama.settings.ratios import JSON_NAME, RatioSettings

PLOT_NAME = "mask_alphas.png"
_ENTRY = "means.json"
_UNFINISHED = "unfinished"
_SHARD_SIZE = "5GB"


def write_price(
    out: Path,
    price: float,
    values: Mapping[str, Tensor],
    means: Mapping[str, float],
    sizes: Mapping[str, int],
) -> float:
    """Write the ratios of a price among what is not finished, whole or not at all.

    Args:
        out: folder of the result.
        price: the price.
        values: ratios by tensor.
        means: mean ratio of each.
        sizes: how many elements each tensor has.

    Returns:
        The mean ratio over all elements.
    """
    folder = price_folder(out / _UNFINISHED, price)
    part = folder.with_name(f".{folder.name}.part")
    for old in (part, folder):
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    save_torch_state_dict(dict(values), part, max_shard_size=_SHARD_SIZE, safe_serialization=True)
    digest = xxhash.xxh3_128()
    for name in sorted(values):
        digest.update(name.encode())
        digest.update(values[name].contiguous().view(-1).numpy().data)
    mean = _mean(means, sizes)
    entry: dict[str, Any] = {"mean": mean, "xxh3_128": digest.hexdigest(), "means": dict(means)}
    entry["by_module"] = means_by_module(means, sizes)
    (part / _ENTRY).write_text(json.dumps(entry), encoding="utf-8")
    os.replace(part, folder)
    return mean


def _mean(means: Mapping[str, float], sizes: Mapping[str, int]) -> float:
    return math.fsum(means[name] * size for name, size in sizes.items()) / sum(sizes.values())


def publish(
    out: Path, ratios: RatioSettings, prices: Sequence[float], free: FreeRatios, facts: Mapping[str, Any]
) -> None:
    """Put the prices' folders in their places, then the picture, then mask_alphas.json.

    That file makes them a result. An earlier one loses its own after all else, so that a run after a kill
    finds out how far this one came.
    """
    record, unfinished = out / JSON_NAME, out / _UNFINISHED
    if record.exists():
        for old in out.glob("price-*"):
            shutil.rmtree(old)
        record.unlink()
    for price in prices:
        if price_folder(unfinished, price).exists():
            os.replace(price_folder(unfinished, price), price_folder(out, price))
    shutil.rmtree(unfinished, ignore_errors=True)
    entries = {
        price_text(price): json.loads((price_folder(out, price) / _ENTRY).read_bytes()) for price in prices
    }
    plot_prices(facts["path"], free.labels, prices, entries, out / PLOT_NAME)
    readable = {
        "approach": str(ratios.approach),
        "mask_level": ratios.mask_level,
        "scope": str(ratios.scope),
        "stored_as": "float16",
        "prices": entries,
        **{key: value for key, value in facts.items() if key not in ("approach", "mask_level", "scope")},
    }
    write_whole(record, [json.dumps(readable, indent=1) + "\n"])


def mean_ratios(out: Path, prices: Sequence[float]) -> dict[float, float]:
    """Return the mean ratio over all elements at each price of a result."""
    return {
        price: float(json.loads((price_folder(out, price) / _ENTRY).read_bytes())["mean"]) for price in prices
    }
