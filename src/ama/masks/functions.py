"""The interpolated Linear and parameter: exact ratio gradients without a third copy of the model.

Plain autograd through w0 * a + (1 - a) * w1 keeps the mixed weight alive until the backward pass, forms the
full weight gradient, and in bfloat16 sums both halves of the ratio's gradient apart, which cancel to wrong
signs. Here the weight is mixed where it is used, and d loss / d ratio = sum(grad * (x @ (w0 - w1)^T)) is
summed in float32.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

_CHUNK_ELEMENTS = 1 << 20


def mixed(before: Tensor, after: Tensor, ratio: Tensor | float) -> Tensor:
    """Return ratio * before + (1 - ratio) * after, mixed in float32 or wider and rounded once.

    Args:
        before: any shape.
        after: of the same shape and dtype.
        ratio: a number, or a scalar tensor.
    """
    if isinstance(ratio, float) or ratio.device.type == "cpu":
        return torch.lerp(after, before, float(ratio))
    # On an accelerator, reading the number would wait for the device.
    wide = torch.promote_types(after.dtype, ratio.dtype)
    return torch.lerp(after.to(wide), before.to(wide), ratio.to(wide)).to(after.dtype)


class InterpolatedLinear(torch.autograd.Function):
    """y = x W^T + b, with W and b mixed from before and after by one ratio (paper, Eq. 9)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        ratio: Tensor,
        weights: tuple[Tensor, Tensor],
        biases: tuple[Tensor, Tensor] | None,
        transposed: bool,
    ) -> Tensor:
        """Return the output, shape (..., out).

        Args:
            ctx: autograd's context; keeps x and references to the two weights, nothing of a weight's size.
            x: shape (..., in).
            ratio: scalar, float32 or wider.
            weights: before's and after's, shape (out, in), or (in, out) if transposed.
            biases: before's and after's, shape (out,), or None.
            transposed: the weights are Conv1D's.
        """
        dtype = (
            torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        )
        x = x.to(dtype)
        ctx.save_for_backward(x, ratio, *weights, *(biases or ()))
        ctx.transposed = transposed
        weight = mixed(*weights, ratio).to(dtype)
        bias = None if biases is None else mixed(*biases, ratio).to(dtype)
        return linear(x, weight.t() if transposed else weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        """Return the gradients of x and of the ratio."""
        x, ratio, before, after, *biases = ctx.saved_tensors
        grad_x = None
        if ctx.needs_input_grad[0]:
            weight = mixed(before, after, ratio).to(grad.dtype)
            grad_x = linear(grad, weight if ctx.transposed else weight.t())
        rows, inputs = grad.flatten(0, -2), x.flatten(0, -2)
        if ctx.transposed:
            before, after = before.t(), after.t()
        total = torch.zeros((), dtype=_wide(ratio.dtype), device=grad.device)
        step = max(1, _CHUNK_ELEMENTS // max(1, rows.shape[0]))
        for start in range(0, rows.shape[1], step):
            part = slice(start, start + step)
            slope = linear(inputs, (before[part] - after[part]).to(inputs.dtype))
            total += torch.sum(rows[:, part].to(total.dtype) * slope.to(total.dtype))
        if biases:
            total += torch.dot(rows.sum(0, dtype=total.dtype), (biases[0] - biases[1]).to(total.dtype))
        return grad_x, total.to(ratio.dtype), None, None, None


class InterpolatedParameter(torch.autograd.Function):
    """A parameter of any shape, mixed by one ratio: norms, embeddings, fused experts."""

    @staticmethod
    def forward(ctx: Any, ratio: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Return the mixed parameter; before and after have its shape, ratio is a scalar."""
        ctx.save_for_backward(ratio, before, after)
        return mixed(before, after, ratio)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the ratio, <grad, before - after>, summed in float32 or wider."""
        ratio, before, after = ctx.saved_tensors
        total = torch.zeros((), dtype=_wide(ratio.dtype), device=grad.device)
        flat = (grad.reshape(-1), before.reshape(-1), after.reshape(-1))
        for parts in zip(*(tensor.split(_CHUNK_ELEMENTS) for tensor in flat), strict=True):
            slope, first, second = (part.to(total.dtype) for part in parts)
            total += torch.dot(slope, first - second)
        return total.to(ratio.dtype), None, None


def interpolated_linear(
    x: Tensor,
    ratio: Tensor,
    weights: tuple[Tensor, Tensor],
    biases: tuple[Tensor, Tensor] | None,
    transposed: bool,
) -> Tensor:
    """Return x W^T + b for the mixed weight and bias; see `InterpolatedLinear.forward`."""
    apply: Any = InterpolatedLinear.apply
    output: Tensor = apply(x, ratio, weights, biases, transposed)
    return output


def interpolated_parameter(ratio: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Return the mixed parameter, of the shape of before and after; ratio is a scalar."""
    apply: Any = InterpolatedParameter.apply
    parameter: Tensor = apply(ratio, before, after)
    return parameter


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
