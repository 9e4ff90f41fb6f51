"""Weights mixed by ratios of their rows or elements: exact gradients of the raw scalars behind the ratios.

ratio = sigmoid(raw), so d loss / d raw = ratio * (1 - ratio) * d loss / d ratio, with d loss / d ratio =
d loss / d weight * (before - after), summed over what shares the ratio. Neither the mixed weight nor the
ratios stay alive between the forward and the backward pass, and the gradient of an output's ratio is summed
over the tokens from the output's slope: it forms no gradient of the weight's size.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from ama.averaging.methods.linear import mixed
from ama.ratios.autograd import mixed_as, product_dtype, working_dtype


class FreeLinear(torch.autograd.Function):
    """y = x W^T with W mixed from before and after, by one ratio, one an output or one an element."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, raw: Tensor, before: Tensor, after: Tensor, transposed: bool) -> Tensor:
        """Return the output, shape (..., out).

        Args:
            ctx: autograd's context; keeps references to the inputs.
            x: shape (..., in).
            raw: of the weight's shape, or (out, 1), or of Conv1D (1, out), or scalar; float32 or wider.
            before: before's weight, shape (out, in), or (in, out) if transposed.
            after: after's weight, of the same shape.
            transposed: the weights are Conv1D's.
        """
        x = x.to(working_dtype(x))
        weight = mixed_as(product_dtype(x), before, after, torch.sigmoid(raw))
        ctx.transposed = transposed
        ctx.save_for_backward(x, raw, before, after)
        return linear(x.to(weight.dtype), weight.t() if transposed else weight).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        """Return the gradients of x and of raw."""
        x, raw, before, after = ctx.saved_tensors
        wide = grad.to(product_dtype(grad))
        grad_x = grad_raw = None
        if ctx.needs_input_grad[0]:
            weight = mixed_as(wide.dtype, before, after, torch.sigmoid(raw))
            grad_x = torch.matmul(wide, weight.t() if ctx.transposed else weight).to(grad.dtype)
            del weight
        if ctx.needs_input_grad[1]:
            rows, inputs = wide.flatten(0, -2), x.to(wide.dtype).flatten(0, -2)
            if raw.shape == after.shape:
                slope = (inputs.t() @ rows if ctx.transposed else rows.t() @ inputs).to(raw.dtype)
                slope *= before.to(raw.dtype) - after.to(raw.dtype)
            else:
                difference = (before - after).to(wide.dtype)
                outputs = linear(inputs, difference.t() if ctx.transposed else difference)
                slope = (rows.to(raw.dtype) * outputs.to(raw.dtype)).sum(0)
                slope = slope.view(raw.shape) if raw.dim() else slope.sum()
            grad_raw = _through_sigmoid(slope, raw)
        return grad_x, grad_raw, None, None, None


class FreeParameter(torch.autograd.Function):
    """A parameter of any shape, mixed by ratios that broadcast to it: norms, biases, embeddings, experts."""

    @staticmethod
    def forward(ctx: Any, raw: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Return the mixed parameter; before and after have its shape."""
        ctx.save_for_backward(raw, before, after)
        return mixed(before, after, torch.sigmoid(raw))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of raw."""
        raw, before, after = ctx.saved_tensors
        slope = (before.to(raw.dtype) - after.to(raw.dtype)) * grad.to(raw.dtype)
        return _through_sigmoid(slope.sum_to_size(raw.shape), raw), None, None


def free_linear(x: Tensor, raw: Tensor, before: Tensor, after: Tensor, transposed: bool) -> Tensor:
    """Return x W^T for the mixed weight; see `FreeLinear.forward`."""
    apply: Any = FreeLinear.apply
    output: Tensor = apply(x, raw, before, after, transposed)
    return output


def free_parameter(raw: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Return the mixed parameter, of the shape of before and after."""
    apply: Any = FreeParameter.apply
    parameter: Tensor = apply(raw, before, after)
    return parameter


def _through_sigmoid(slope: Tensor, raw: Tensor) -> Tensor:
    """Return slope * ratio * (1 - ratio), in the slope's memory."""
    ratio = torch.sigmoid(raw)
    return slope.mul_(ratio).mul_(1 - ratio)
