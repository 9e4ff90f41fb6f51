"""The average itself: ratio * before + (1 - ratio) * after, rounded once; and its gradient."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ama.averaging.methods import MergeMethod, by_filter

_HALF = (torch.bfloat16, torch.float16)
_PROBE = 64
_BLOCK = 1 << 15
_GRADIENT_ELEMENTS = 1 << 21


def mixed(before: Tensor, after: Tensor, ratio: Tensor | float, out: Tensor | None = None) -> Tensor:
    """Return ratio * before + (1 - ratio) * after (paper, Eq. 2, in the README's direction).

    Half precision is computed in float32, and the result rounded once. Every average of the package, merged
    or trained, is made here.

    Args:
        before: any shape.
        after: of the same shape and dtype.
        ratio: a number, a scalar tensor, or one that broadcasts to the shape.
        out: where to put the result; of the same shape and dtype.
    """
    if isinstance(ratio, float) or (ratio.device.type == "cpu" and not ratio.dim()):
        return torch.lerp(after, before, float(ratio), out=out)
    # Reading a number from an accelerator would wait for it.
    wide = torch.promote_types(after.dtype, ratio.dtype)
    result = torch.lerp(after.to(wide), before.to(wide), ratio.to(wide)).to(after.dtype)
    return result if out is None else out.copy_(result)


def ratio_gradient(grad: Tensor, before: Tensor, after: Tensor, dtype: torch.dtype) -> Tensor:
    """Return d loss / d ratio = <grad, before - after>, a scalar, summed in `dtype` by chunks.

    Args:
        grad: d loss / d mixture, any shape.
        before: of the same shape.
        after: of the same shape.
        dtype: float32 or wider.
    """
    total = torch.zeros((), dtype=dtype, device=grad.device)
    flat = (grad.reshape(-1), before.reshape(-1), after.reshape(-1))
    for parts in zip(*(torch.split(values, _GRADIENT_ELEMENTS) for values in flat), strict=True):
        slope, first, second = (part.to(dtype) for part in parts)
        total += torch.dot(slope, first - second)
    return total


def mix(out: Tensor, before: Tensor, after: Tensor, ratio: float | Tensor, _: Tensor | None = None) -> None:
    """Write ratio * before + (1 - ratio) * after into `out`.

    Half-precision results are computed in float32, wider ones in float64, and rounded once. At ratio 0 and 1,
    and where the inputs agree bit for bit, they are copied.

    Args:
        out: the result, shape (n,), any floating dtype.
        before: shape (n,), any floating dtype.
        after: shape (n,), any floating dtype.
        ratio: weight of before: a number, or shape (rows, 1), (1, n / rows) or (rows, n / rows).
    """
    if isinstance(ratio, Tensor):
        _mix_by_element(out, before, after, ratio)
    elif ratio == 1 or _same_bits(before, after):
        out.copy_(before)
    elif ratio == 0:
        out.copy_(after)
    elif before.dtype == after.dtype == out.dtype and out.dtype in _HALF:
        mixed(before, after, ratio, out)
    else:
        for part, first, second in wide_blocks(out, before, after):
            part.copy_(mixed(first, second, ratio))


def _mix_by_element(out: Tensor, before: Tensor, after: Tensor, ratio: Tensor) -> None:
    """Mix rows by ratios of their own, in the types of `mix` and with its one rounding."""
    wide = torch.float32 if out.dtype in _HALF else torch.float64
    width = ratio.shape[1] if ratio.shape[1] > 1 else len(out) // len(ratio)
    parts = [values.view(-1, width) for values in (out, before, after)]
    step = max(1, _BLOCK // width)
    for start in range(0, len(parts[0]), step):
        target, first, second = (values[start : start + step] for values in parts)
        own = (ratio if len(ratio) == 1 else ratio[start : start + step]).to(wide)
        target.copy_(torch.lerp(second.to(wide), first.to(wide), own))


def wide_blocks(out: Tensor, before: Tensor, after: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield parts of out with those of before and after, in float32 for half precision, else float64."""
    wide = torch.float32 if out.dtype in _HALF else torch.float64
    for start in range(0, out.numel(), _BLOCK):
        part = slice(start, start + _BLOCK)
        yield out[part], before[part].to(wide), after[part].to(wide)


def _same_bits(before: Tensor, after: Tensor) -> bool:
    if before.dtype != after.dtype:
        return False
    first, second = before.view(torch.uint8), after.view(torch.uint8)
    return torch.equal(first[:_PROBE], second[:_PROBE]) and torch.equal(first, second)


def _recipe(before: str, after: str, ratios: Mapping[str, float]) -> dict[str, Any]:
    rest = {name: 1 - ratio for name, ratio in ratios.items()}
    weights = {before: by_filter(ratios), after: by_filter(rest)}
    return {
        "merge_method": "linear",
        "models": [{"model": name, "parameters": {"weight": value}} for name, value in weights.items()],
    }


METHOD = MergeMethod("ratio * before + (1 - ratio) * after", mix, recipe=_recipe, by_element=True)
