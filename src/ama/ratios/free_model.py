"""The masked model of free ratios: every parameter is mixed from before and after by its own ratios."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ama.averaging.live import live_sites
from ama.averaging.methods.linear import mixed
from ama.ratios.autograd import interpolated_linear
from ama.ratios.free_autograd import free_linear, free_parameter
from ama.ratios.free_ratios import FreeRatios
from ama.ratios.masked_model import replace_module


class _FreeLinear(nn.Module):
    """A linear map whose weight and bias are mixed each time it is called."""

    def __init__(
        self,
        before: nn.Module,
        after: nn.Module,
        raw: nn.Parameter,
        raw_bias: nn.Parameter | None,
        free: FreeRatios,
    ) -> None:
        super().__init__()
        self.before_weight: Any = before.weight
        self.after_weight: Any = after.weight
        self.before_bias: Any = before.bias
        self.after_bias: Any = after.bias
        self.raw, self.raw_bias = raw, raw_bias
        self._transposed = isinstance(after, Conv1D)
        self._free = free

    def forward(self, x: Tensor) -> Tensor:
        held = self._free.held
        if held is not None:
            biases = None if self.after_bias is None else (self.before_bias, self.after_bias)
            ratio = torch.tensor(held, device=x.device)
            weights = (self.before_weight, self.after_weight)
            return interpolated_linear(x, ratio, weights, biases, self._transposed, False)
        output = free_linear(x, self.raw, self.before_weight, self.after_weight, self._transposed)
        if self.raw_bias is None:
            return output
        return output + free_parameter(self.raw_bias, self.before_bias, self.after_bias).to(output.dtype)


class _FreeParameter(nn.Module):
    """Parametrisation of any other parameter; without raw scalars it is before's."""

    def __init__(self, before: nn.Parameter, raw: nn.Parameter | None, free: FreeRatios) -> None:
        super().__init__()
        self.before, self.raw = before, raw
        self._free = free

    def forward(self, after: Tensor) -> Tensor:
        if not after.numel():
            # DeepSpeed ZeRO-3 looks at the attribute between passes, when the weights are not here.
            return after
        held = self._free.held
        if self.raw is None or held is not None:
            return mixed(self.before, after, 1.0 if held is None else held)
        return free_parameter(self.raw, self.before, after)


def free_masked_model(before: PreTrainedModel, after: PreTrainedModel, free: FreeRatios) -> PreTrainedModel:
    """Turn `after` into the masked model, in place; `before` is used up.

    Every parameter is mixed at every use, from the weights of both models; only raw scalars can be trained.
    `free.hold(0)` and `free.hold(1)` make it the model after RLHF and the one before, without a further copy.

    Args:
        before: the model before RLHF.
        after: the model after RLHF, of the same architecture and dtype.
        free: the ratios, of this architecture.
    """
    for parameter in (*before.parameters(), *after.parameters()):
        parameter.requires_grad_(False)
    others = dict(before.named_parameters())
    raw = {name: free.raw[group] for name, group in free.group_of.items()}
    for name in live_sites(after):
        path, _, attribute = name.rpartition(".")
        module = after.get_submodule(path)
        if isinstance(module, _FreeLinear):
            continue
        if name in raw and isinstance(module, nn.Linear | Conv1D) and attribute == "weight":
            bias = None if module.bias is None else raw[f"{path}.bias"]
            replace_module(
                after, path, _FreeLinear(before.get_submodule(path), module, raw[name], bias, free)
            )
            continue
        # A tied table belongs to two modules; each takes the parametrisation, over the same tensors.
        parameter = _own(module)[attribute]
        for owner in [one for one in after.modules() if _own(one).get(attribute) is parameter]:
            own = _FreeParameter(others[name], raw.get(name), free)
            parametrize.register_parametrization(owner, attribute, own, unsafe=True)
    # Checkpoints leave out what is frozen.
    forgive: Any = after.register_load_state_dict_post_hook
    forgive(lambda _, keys: keys.missing_keys.clear())
    return after


def _own(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that belong to the module itself; none that a parametrisation computes."""
    return dict(module.named_parameters(recurse=False))
