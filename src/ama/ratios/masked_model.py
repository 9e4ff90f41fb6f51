"""The masked model: after, with every averaged parameter mixed from before and after by its learned ratio."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ama.averaging.live import live_sites
from ama.averaging.methods.linear import mixed
from ama.models.sharded import gathered, whole_shape
from ama.ratios.autograd import interpolated_linear, interpolated_parameter, product_dtype
from ama.ratios.learned_ratios import LearnedRatios
from ama.ratios.parameter_blocks import ParameterBlocks
from ama.settings.merging import Scope


class MaskedLinear(nn.Module):
    """A linear map whose weight and bias are mixed by one learned ratio each time it is called."""

    def __init__(
        self,
        before: nn.Module,
        after: nn.Module,
        ratios: LearnedRatios,
        block: int | None,
        keep_slope: bool = False,
    ) -> None:
        """Take over the parameters of two nn.Linear or two Conv1D modules.

        Args:
            before: the module before RLHF.
            after: the module after RLHF.
            ratios: the learned ratios; belongs to the model, not to this module.
            block: which ratio is this module's; None where before and after are one module.
            keep_slope: keep the output's slope for the backward pass and not the input.
        """
        super().__init__()
        self.before_weight: Any = before.weight
        self.after_weight: Any = after.weight
        self.before_bias: Any = before.bias
        self.after_bias: Any = after.bias
        self.transposed = isinstance(after, Conv1D)
        self.block, self._keep_slope = block, keep_slope
        self._ratios = (ratios,)  # in a tuple, so that it is not registered a second time

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, shape (..., out), of an input of shape (..., in)."""
        current = self._ratios[0].current
        ratio = current.new_zeros(()) if self.block is None else current[self.block]
        biases = None if self.after_bias is None else (self.before_bias, self.after_bias)
        weights = (self.before_weight, self.after_weight)
        return interpolated_linear(x, ratio, weights, biases, self.transposed, self._keep_slope)


class _MaskedParameter(nn.Module):
    """Parametrisation of any other parameter: mixed from before and after by one learned ratio."""

    def __init__(self, before: nn.Parameter, ratios: LearnedRatios, block: int) -> None:
        super().__init__()
        self.before = before
        self._block = block
        self._ratios = (ratios,)

    def forward(self, after: Tensor) -> Tensor:
        return interpolated_parameter(self._ratios[0].current[self._block], self.before, after)


def mask_model(
    before: PreTrainedModel,
    after: PreTrainedModel,
    ratios: LearnedRatios,
    blocks: ParameterBlocks,
) -> PreTrainedModel:
    """Turn `after` into the masked model, in place; `before` is used up.

    The ratios are computed anew at each call of the model. Parameters of a block are mixed at every use,
    all others once: by the mean ratio where they are averaged, from before where they are not. Only the raw
    scalars, `learned_ratios.scaled_raw`, can be trained.

    Args:
        before: the model before RLHF.
        after: the model after RLHF, of the same architecture and dtype.
        ratios: one per block.
        blocks: which parameter is in which block.
    """
    for parameter in (*before.parameters(), *after.parameters()):
        parameter.requires_grad_(False)
    others = dict(before.named_parameters())
    with torch.no_grad():
        for name, site in live_sites(after).items():
            if name not in blocks.index:
                ratio = ratios.mean if site.linear or blocks.scope is Scope.ALL else 1.0
                parameter = after.get_parameter(name)
                with gathered([parameter, others[name]], write=True):
                    parameter.copy_(mixed(others[name], parameter, ratio))
    narrowing = _narrowing(after)
    for name in [name for name in live_sites(after) if name in blocks.index]:
        _mask_parameter(before, after, name, ratios, blocks.index[name], narrowing)
    for path, module in list(after.named_modules()):
        # The head and its like: through the same function, which knows where half precision is slow.
        if type(module) is nn.Linear and product_dtype(module.weight) is not module.weight.dtype:
            replace_module(after, path, MaskedLinear(module, module, ratios, None))
    after.learned_ratios = ratios
    # Checkpoints leave out what is frozen.
    forgive: Any = after.register_load_state_dict_post_hook
    forgive(lambda _, keys: keys.missing_keys.clear())
    after.register_forward_pre_hook(lambda *_: ratios.refresh())
    return after


def _mask_parameter(
    before: PreTrainedModel,
    after: PreTrainedModel,
    name: str,
    ratios: LearnedRatios,
    block: int,
    narrowing: set[str],
) -> None:
    path, _, attribute = name.rpartition(".")
    module = after.get_submodule(path)
    if isinstance(module, MaskedLinear):
        return
    if isinstance(module, nn.Linear | Conv1D):
        masked = MaskedLinear(before.get_submodule(path), module, ratios, block, path in narrowing)
        replace_module(after, path, masked)
        return
    # A tied table belongs to two modules; each takes the parametrisation, over the same two tensors.
    parameter = getattr(module, attribute)
    first = before.get_parameter(name)
    owners = [owner for owner in after.modules() if getattr(owner, attribute, None) is parameter]
    for owner in owners:
        parametrization = _MaskedParameter(first, ratios, block)
        parametrize.register_parametrization(owner, attribute, parametrization, unsafe=True)


def replace_module(model: PreTrainedModel, path: str, module: nn.Module) -> None:
    """Put a module in the place of the one at a path."""
    parent, _, child = path.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _narrowing(model: PreTrainedModel) -> set[str]:
    """Return the linear modules whose output is smaller than their input, which no module beside them shares.

    An MLP's last one is such; the inputs of queries, keys and values are one tensor, kept once.
    """
    widths = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D):
            shape = whole_shape(module.weight)
            widths[path] = shape if isinstance(module, Conv1D) else shape[::-1]
    inputs = Counter((path.rpartition(".")[0], width[0]) for path, width in widths.items())
    return {
        path
        for path, (width, outputs) in widths.items()
        if outputs < width and inputs[path.rpartition(".")[0], width] == 1
    }
