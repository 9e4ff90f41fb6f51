"""The averaging itself: ratio * before + (1 - ratio) * after, computed wide and rounded once."""

import torch
from torch import Tensor

_HALF = (torch.bfloat16, torch.float16)
_PROBE = 64
_BLOCK = 1 << 15


def mixed_dtype(before: torch.dtype, after: torch.dtype) -> torch.dtype:
    """Return the narrowest dtype that holds both inputs exactly: the default dtype of the result."""
    return torch.promote_types(before, after)


def mix_into(out: Tensor, before: Tensor, after: Tensor, ratio: float) -> None:
    """Write ratio * before + (1 - ratio) * after into `out` (paper, Eq. 2, in the README's direction).

    Half-precision results are computed in float32, wider ones in float64, and rounded once. At ratio 0 and 1,
    and where the inputs agree bit for bit, they are copied.

    Args:
        out: the result, shape (n,), any floating dtype.
        before: shape (n,), any floating dtype.
        after: shape (n,), any floating dtype.
        ratio: weight of before, in [0, 1].
    """
    if ratio == 1 or _same_bits(before, after):
        out.copy_(before)
    elif ratio == 0:
        out.copy_(after)
    elif before.dtype == after.dtype == out.dtype and out.dtype in _HALF:
        torch.lerp(after, before, ratio, out=out)
    else:
        wide = torch.float32 if out.dtype in _HALF else torch.float64
        for start in range(0, out.numel(), _BLOCK):
            part = slice(start, start + _BLOCK)
            out[part].copy_(torch.lerp(after[part].to(wide), before[part].to(wide), ratio))


def all_finite(values: Tensor) -> bool:
    """Tell whether a floating tensor of shape (n,), n > 0, holds neither NaN nor infinity."""
    low, high = torch.aminmax(values)
    return bool(torch.isfinite(low)) and bool(torch.isfinite(high))


def _same_bits(before: Tensor, after: Tensor) -> bool:
    if before.dtype != after.dtype:
        return False
    first, second = before.view(torch.uint8), after.view(torch.uint8)
    return torch.equal(first[:_PROBE], second[:_PROBE]) and torch.equal(first, second)
