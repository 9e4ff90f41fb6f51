"""The prompts of a batch, read once each and with little padding, before replies to them are sampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

# Places of padding in one pass, at most: where there would be more, another pass costs less.
_PADDING = 64


def prompt_cache(model: PreTrainedModel, rows: Sequence[Sequence[int]], pad: int) -> Cache | None:
    """Return keys and values of all but the last token of each row, for `generate` to go on from.

    Reading prompts takes most of the time of short replies. Where `generate` reads them, all are padded to
    the longest, and one is read again for each reply to it.

    Args:
        model: of which nothing is changed; call this without gradients.
        rows: token ids of the prompts, the longest first, each as often as it gets a reply.
        pad: token to pad with.

    Returns:
        A cache of the rows, padded on the left; None where no row has more than one token, or where the
        model's own kind of cache, such as that of a sliding window, can't be put together.
    """
    places: dict[tuple[int, ...], list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(tuple(row[:-1]), []).append(place)
    width = max(map(len, places))
    cache = DynamicCache(config=model.config)
    is_plain = all(type(layer) is DynamicLayer for layer in cache.layers)
    if not (width and is_plain) or model.generation_config.cache_implementation:
        return None
    wholes: list[tuple[Tensor, Tensor]] = []
    for group in _groups([row for row in places if row]):
        layers = _read(model, group, pad)
        if not wholes:
            shapes = [(len(rows), layer.keys.shape[1], width, layer.keys.shape[3]) for layer in layers]
            wholes = [
                (layer.keys.new_zeros(shape), layer.values.new_zeros(shape))
                for layer, shape in zip(layers, shapes, strict=True)
            ]
        source = [number for number, row in enumerate(group) for _ in places[row]]
        target = [place for row in group for place in places[row]]
        for layer, (keys, values) in zip(layers, wholes, strict=True):
            keys[target, :, width - len(group[0]) :] = layer.keys[source]
            values[target, :, width - len(group[0]) :] = layer.values[source]
    for number, (keys, values) in enumerate(wholes):
        cache.update(keys, values, number)
    return cache


def _read(model: PreTrainedModel, rows: Sequence[tuple[int, ...]], pad: int) -> list[Any]:
    """Return the layers of the cache of rows, the longest first, padded on the left."""
    cache = DynamicCache(config=model.config)
    gaps = [len(rows[0]) - len(row) for row in rows]
    ids = [[pad] * gap + list(row) for gap, row in zip(gaps, rows, strict=True)]
    seen = [[0] * gap + [1] * len(row) for gap, row in zip(gaps, rows, strict=True)]
    mask = torch.tensor(seen, device=model.device)
    read: Any = model.base_model
    read(
        input_ids=torch.tensor(ids, device=model.device),
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
    )
    return list(cache.layers)


def _groups(rows: Sequence[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Cut rows, the longest first, into groups of little padding."""
    groups: list[list[tuple[int, ...]]] = []
    padding = 0
    for row in rows:
        padding += len(groups[-1][0]) - len(row) if groups else 0
        if not groups or padding > _PADDING:
            groups.append([])
            padding = 0
        groups[-1].append(row)
    return groups
