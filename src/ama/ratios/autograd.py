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

from ama.averaging.methods.linear import mixed, ratio_gradient

_CHUNK_ELEMENTS = 1 << 21
# CPUs whose matrix products in half precision are 10 to 100 times slower than those in float32.
_WIDE_CPUS = ("DEFAULT", "NO AVX", "AVX2")


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
        keep_slope: bool,
    ) -> Tensor:
        """Return the output, shape (..., out).

        Args:
            ctx: autograd's context; keeps references to the weights, and x or dy / d ratio.
            x: shape (..., in).
            ratio: scalar, float32 or wider.
            weights: before's and after's, shape (out, in), or (in, out) if transposed.
            biases: before's and after's, shape (out,), or None.
            transposed: the weights are Conv1D's.
            keep_slope: keep dy / d ratio for the backward pass, of the output's shape, and not x.
        """
        dtype = working_dtype(x)
        x = x.to(dtype)
        wide = product_dtype(x)
        weight = mixed_as(wide, *weights, ratio)
        bias = None if biases is None else mixed_as(wide, *biases, ratio)
        inputs = x.to(wide)
        output = linear(inputs, weight.t() if transposed else weight, bias).to(dtype)
        ctx.transposed, ctx.kept_slope = transposed, keep_slope and ctx.needs_input_grad[1]
        kept = _slope(inputs, weights, biases, transposed).to(dtype) if ctx.kept_slope else x
        ctx.save_for_backward(kept, ratio, *weights, *(biases or ()))
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        """Return the gradients of x and of the ratio."""
        kept, ratio, before, after, *biases = ctx.saved_tensors
        grad_x, grad_ratio = None, None
        wide = grad.to(product_dtype(grad))
        if ctx.needs_input_grad[0]:
            weight = mixed_as(wide.dtype, before, after, ratio)
            grad_x = torch.matmul(wide, weight.t() if ctx.transposed else weight).to(grad.dtype)
        if ctx.needs_input_grad[1]:
            pair = (biases[0], biases[1]) if biases else None
            total = torch.zeros((), dtype=_wide(grad.dtype), device=grad.device)
            rows, kept = wide.flatten(0, -2), kept.flatten(0, -2)
            step = max(1, _CHUNK_ELEMENTS // max(rows.shape[1], kept.shape[1]))
            for part, values in zip(torch.split(rows, step), torch.split(kept, step), strict=True):
                if not ctx.kept_slope:
                    values = _slope(values.to(wide.dtype), (before, after), pair, ctx.transposed)
                total += torch.dot(part.reshape(-1).to(total.dtype), values.reshape(-1).to(total.dtype))
            grad_ratio = total.to(ratio.dtype)
        return grad_x, grad_ratio, None, None, None, None


def mixed_as(dtype: torch.dtype, before: Tensor, after: Tensor, ratio: Tensor) -> Tensor:
    """Return the mixture in a dtype, without a rounding to a narrower one on the way.

    In bfloat16 two models that RLHF has moved little lie a step or two apart, and a mixture that is rounded
    falls back to one of them: its gradient is that of another ratio.
    """
    if before is after:
        return after.to(dtype)
    if torch.finfo(dtype).bits > torch.finfo(after.dtype).bits:
        before, after = before.to(dtype), after.to(dtype)
    return mixed(before, after, ratio).to(dtype)


def _slope(
    x: Tensor, weights: tuple[Tensor, Tensor], biases: tuple[Tensor, Tensor] | None, transposed: bool
) -> Tensor:
    """Return d y / d ratio = x (W0 - W1)^T + b0 - b1, of the dtype of x."""
    difference = (weights[0] - weights[1]).to(x.dtype)
    bias = None if biases is None else (biases[0] - biases[1]).to(x.dtype)
    return linear(x, difference.t() if transposed else difference, bias)


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
        total = ratio_gradient(grad, before, after, _wide(ratio.dtype))
        return total.to(ratio.dtype), None, None


def interpolated_linear(
    x: Tensor,
    ratio: Tensor,
    weights: tuple[Tensor, Tensor],
    biases: tuple[Tensor, Tensor] | None,
    transposed: bool,
    keep_slope: bool,
) -> Tensor:
    """Return x W^T + b for the mixed weight and bias; see `InterpolatedLinear.forward`."""
    apply: Any = InterpolatedLinear.apply
    output: Tensor = apply(x, ratio, weights, biases, transposed, keep_slope)
    return output


def interpolated_parameter(ratio: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Return the mixed parameter, of the shape of before and after; ratio is a scalar."""
    apply: Any = InterpolatedParameter.apply
    parameter: Tensor = apply(ratio, before, after)
    return parameter


def working_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of a linear map's output: that of its input, or autocast's."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def product_dtype(values: Tensor) -> torch.dtype:
    """Return the dtype in which matrix products with these values are fast: their own, or float32."""
    half = values.dtype in (torch.bfloat16, torch.float16)
    slow = values.device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in _WIDE_CPUS
    return torch.float32 if half and slow else values.dtype


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
