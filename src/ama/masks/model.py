"""The masked model: after, with every averaged parameter mixed from before and after by its learned ratio."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ama.core.mask_blocks import MaskBlocks
from ama.core.schedule import Scope
from ama.masks.functions import interpolated_linear, interpolated_parameter, mixed
from ama.masks.ratios import LearnedRatios
from ama.models.in_memory import live_sites
from ama.models.sharded import gathered


class MaskedLinear(nn.Module):
    """A linear map whose weight and bias are mixed by one learned ratio each time it is called."""

    def __init__(self, before: nn.Module, after: nn.Module, ratios: LearnedRatios, block: int) -> None:
        """Take over the parameters of two nn.Linear or two Conv1D modules.

        Args:
            before: the module before RLHF.
            after: the module after RLHF.
            ratios: the learned ratios; belongs to the model, not to this module.
            block: which ratio is this module's.
        """
        super().__init__()
        self.before_weight: Any = before.weight
        self.after_weight: Any = after.weight
        self.before_bias: Any = before.bias
        self.after_bias: Any = after.bias
        self.transposed = isinstance(after, Conv1D)
        self._block = block
        self._ratios = (ratios,)  # in a tuple, so that it is not registered a second time

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, shape (..., out), of an input of shape (..., in)."""
        ratio = self._ratios[0].current[self._block]
        biases = None if self.after_bias is None else (self.before_bias, self.after_bias)
        weights = (self.before_weight, self.after_weight)
        return interpolated_linear(x, ratio, weights, biases, self.transposed)


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
    blocks: MaskBlocks,
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
    for name in [name for name in live_sites(after) if name in blocks.index]:
        _mask_parameter(before, after, name, ratios, blocks.index[name])
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
) -> None:
    path, _, attribute = name.rpartition(".")
    module = after.get_submodule(path)
    if isinstance(module, MaskedLinear):
        return
    if isinstance(module, nn.Linear | Conv1D):
        masked = MaskedLinear(before.get_submodule(path), module, ratios, block)
        parent, _, child = path.rpartition(".")
        setattr(after.get_submodule(parent), child, masked)
        return
    # A tied table belongs to two modules; each takes the parametrisation, over the same two tensors.
    parameter = getattr(module, attribute)
    first = before.get_parameter(name)
    owners = [owner for owner in after.modules() if getattr(owner, attribute, None) is parameter]
    for owner in owners:
        parametrization = _MaskedParameter(first, ratios, block)
        parametrize.register_parametrization(owner, attribute, parametrization, unsafe=True)
