"""Spherical interpolation: along the arc between two tensors, each taken as one long vector."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ama.averaging.methods import MergeMethod, by_filter, linear

_TINY = 1e-4
"""Sine of an angle below which arc and chord agree to the precision of float32."""


def sums(before: Tensor, after: Tensor) -> Tensor:
    """Return <before, before>, <before, after> and <after, after> of two flat chunks, float64, shape (3,)."""
    first, second = before.double(), after.double()
    return torch.stack([first @ first, first @ second, second @ second])


def mix(out: Tensor, before: Tensor, after: Tensor, ratio: float, total: Tensor | None) -> None:
    """Write the point of the arc from after to before into `out`.

        out = sin(ratio * w) / sin(w) * before + sin((1 - ratio) * w) / sin(w) * after

    where w is the angle between the two whole tensors. The weights apply to the tensors as they are, as in
    mergekit: between tensors of equal norm every point has that norm; else the norm goes from one to the
    other. Where the angle is tiny, near pi, or undefined (a tensor of zeros), it is the linear average.

    Args:
        out: the result, shape (n,), any floating dtype; rounded to once.
        before: shape (n,), any floating dtype.
        after: shape (n,), any floating dtype.
        ratio: weight of before, in [0, 1]: 0 and 1 copy the parent.
        total: `sums` over the whole tensor.
    """
    norms = 0.0 if total is None else math.sqrt(float(total[0])) * math.sqrt(float(total[2]))
    cosine = float(total[1]) / norms if total is not None and norms else 1.0
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    sine = math.sin(angle)
    if ratio in (0, 1) or sine < _TINY:
        linear.mix(out, before, after, ratio)
        return
    first, second = math.sin(ratio * angle) / sine, math.sin((1 - ratio) * angle) / sine
    for part, one, other in linear.wide_blocks(out, before, after):
        part.copy_(first * one + second * other)


def _recipe(before: str, after: str, ratios: Mapping[str, float]) -> dict[str, Any]:
    # mergekit's t is the share of the model that is not the base. It takes the chord from sin(w) < 0.03 on.
    return {
        "merge_method": "slerp",
        "base_model": after,
        "models": [{"model": before}, {"model": after}],
        "parameters": {"t": by_filter(ratios)},
    }


METHOD = MergeMethod(
    "sin(ratio * w) / sin(w) * before + sin((1 - ratio) * w) / sin(w) * after, w the angle between the two",
    mix,
    sums,
    recipe=_recipe,
)
