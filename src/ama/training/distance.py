"""Penalties on the distance of the weights from before's, whole or divided over processes by ZeRO-3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ama.models.sharded import own_share
from ama.processes import sum_over_processes


def distance_penalty(model: nn.Module, before: Mapping[str, Tensor], l1: float, l2: float) -> Tensor:
    """Return l1 * sum |p - p0| + l2 * sum (p - p0)^2 over all parameters (paper, section 4).

    Args:
        model: what is trained.
        before: parameters of the model before RLHF by name.
        l1: weight of the first sum.
        l2: weight of the second.
    """
    total = torch.zeros((), device=next(model.parameters()).device)
    for name, parameter in model.named_parameters():
        moved = parameter - before[name]
        total = total + l1 * moved.abs().sum() + l2 * moved.square().sum()
    return total


class DividedPenalty:
    """The same penalty where each process has a share of each parameter; nothing is gathered.

    Outside a forward pass no parameter is there to differentiate by: the penalty's gradient is added to what
    ZeRO-3 has reduced, before its optimizer clips and steps.
    """

    def __init__(self, engine: Any, before: Mapping[str, nn.Parameter], l1: float, l2: float) -> None:
        """Join the penalty to an engine's steps.

        Args:
            engine: of DeepSpeed, at stage 3.
            before: parameters of the model before RLHF by name, divided in the same way.
            l1: weight of the sum of |p - p0|.
            l2: weight of the sum of (p - p0)^2.
        """
        self._pairs = [(parameter, before[name]) for name, parameter in engine.module.named_parameters()]
        self._l1, self._l2 = l1, l2
        step = engine.optimizer.step

        def step_with_penalty(*arguments: Any, **options: Any) -> Any:
            self._add_gradient()
            return step(*arguments, **options)

        engine.optimizer.step = step_with_penalty

    def value(self) -> Tensor:
        """Return the penalty over all processes, without a gradient; called on all of them."""
        total = torch.zeros((), device=own_share(self._pairs[0][0]).device)
        for parameter, start in self._pairs:
            moved = own_share(parameter).float() - own_share(start)
            total += self._l1 * moved.abs().sum() + self._l2 * moved.square().sum()
        return sum_over_processes(total, total.device)

    def _add_gradient(self) -> None:
        from deepspeed.utils import safe_get_local_grad, safe_set_local_grad

        for parameter, start in self._pairs:
            moved = own_share(parameter).float() - own_share(start)
            gradient = safe_get_local_grad(parameter).clone()
            gradient[: moved.numel()] += self._l1 * moved.sign() + 2 * self._l2 * moved
            safe_set_local_grad(parameter, gradient)
