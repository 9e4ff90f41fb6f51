"""The penalty that keeps learned ratios near their mean, and the middle layers nearest."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ama.settings.ratios import Penalty


def penalty_weights(kind: Penalty, linears: Sequence[Sequence[int]], num_layers: int) -> Tensor:
    """Return each block's weight: the sum over its linear modules of w(layer), float32, shape (n,).

    w is 1, or (L - 1) / (|layer - L // 2| + 1) for the weighted kinds: 25 / (|layer - 13| + 1) at 26
    layers, as released.

    Args:
        kind: which penalty.
        linears: the layers of the linear modules of each block.
        num_layers: L.
    """
    if kind in (Penalty.ABSOLUTE, Penalty.SQUARED):
        return torch.tensor([float(len(layers)) for layers in linears])
    centre = num_layers // 2
    return torch.tensor(
        [sum((num_layers - 1) / (abs(layer - centre) + 1) for layer in layers) for layers in linears]
    )


def penalty(kind: Penalty, ratios: Tensor, mean: float, weights: Tensor) -> Tensor:
    """Return sum_k weights_k * |ratio_k - mean| or its square, a scalar (paper, section 5).

    Args:
        kind: which penalty.
        ratios: shape (n,).
        mean: the ratios' mean.
        weights: of `penalty_weights`, shape (n,).
    """
    distance = ratios - mean
    powers = distance.abs() if kind in (Penalty.ABSOLUTE, Penalty.ABSOLUTE_WEIGHTED) else distance.square()
    return (weights * powers).sum()
