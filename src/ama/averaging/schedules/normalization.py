"""Learned ratios: raw scalars to ratios of a fixed mean, by either approach; the home of both formulas."""

import torch
from torch import Tensor

_BISECTIONS = 60


def initial_raw(count: int, mean: float) -> Tensor:
    """Return raw scalars that give every block the mean: logit(mean), float32, shape (count,)."""
    return torch.full((count,), mean, dtype=torch.float64).logit().to(torch.float32)


def normalized_ratios(raw: Tensor, mean: float, epsilon: float) -> Tensor:
    """Return mean * n * (sigmoid(raw) + epsilon) / sum(sigmoid(raw) + epsilon): Eq. 10 and 11, times n.

    Args:
        raw: one scalar per block, shape (n,).
        mean: mean of the ratios, in (0, 1).
        epsilon: 0 or more; the larger, the closer the ratios stay to their mean.

    Returns:
        Ratios of shape (n,) whose mean is `mean`; each is 0 or more, and may exceed 1 (at most
        mean * n * (1 + epsilon) / (1 + n * epsilon)).
    """
    shares = torch.sigmoid(raw) + epsilon
    return mean * raw.numel() * shares / shares.sum()


def shifted_ratios(raw: Tensor, mean: float) -> Tensor:
    """Return sigmoid(raw + c), with the one c that makes the mean of the ratios `mean`.

    The gradient runs through c by the implicit function theorem: dc/draw_j = -g_j / sum(g), g =
    sigmoid'(raw + c).

    Args:
        raw: one scalar per block, shape (n,).
        mean: mean of the ratios, in (0, 1).

    Returns:
        Ratios of shape (n,), each in (0, 1).
    """
    shift = _solve_shift(raw.detach().double(), mean)
    ratios = torch.sigmoid(raw.detach().double() + shift)
    slopes = ratios * (1 - ratios)
    # A Newton step from the solution: its value is the solution itself, its derivative dc/draw.
    error = torch.sigmoid(raw.double() + shift).mean() - mean
    return torch.sigmoid(raw.double() + shift - error / slopes.mean()).to(raw.dtype)


def _solve_shift(raw: Tensor, mean: float) -> Tensor:
    """Solve mean(sigmoid(raw + c)) = mean by bisection, in float64."""
    centre = torch.tensor(mean, dtype=torch.float64).logit()
    low, high = centre - raw.max(), centre - raw.min()
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if torch.sigmoid(raw + middle).mean() < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2
