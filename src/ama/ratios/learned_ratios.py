"""The learned ratios as a module: a registered float32 vector of raw scalars, ratios at call time."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ama.averaging.live import live_sites
from ama.averaging.schedules.learned import LearnedMask
from ama.averaging.schedules.normalization import initial_raw, normalized_ratios, shifted_ratios
from ama.checkpoint.names import module_of
from ama.models.sharded import gathered
from ama.ratios.parameter_blocks import ParameterBlocks, parameter_blocks
from ama.settings.ratios import Approach, RatioSettings


class LearnedRatios(nn.Module):
    """The ratios of all blocks.

    What the optimiser steps is `scaled_raw` = raw / steps: a step of the optimiser on it by lr is a step of
    raw_k by lr * steps_k. With steps_k the number of linear modules that block k governs, this is the pace
    of the released code, whose optimiser lists a shared scalar once per linear module; with ones, every
    scalar has the same pace.
    """

    steps: Tensor
    current: Tensor

    def __init__(
        self,
        count: int,
        mean: float,
        epsilon: float,
        approach: Approach,
        steps: Sequence[float] | None = None,
    ) -> None:
        """Start every block at the mean.

        Args:
            count: n, the number of blocks.
            mean: of the ratios, in (0, 1).
            epsilon: of `normalized_ratios`; the shifted approach has none.
            approach: how raw scalars become ratios.
            steps: pace of each raw scalar relative to the optimiser's lr, shape (n,); ones by default.
        """
        super().__init__()
        self.mean, self.epsilon, self.approach = mean, epsilon, approach
        self.register_buffer("steps", torch.tensor(list(steps or [1.0] * count)), persistent=False)
        self.scaled_raw = nn.Parameter(initial_raw(count, mean) / self.steps)
        self.refresh()

    @property
    def raw(self) -> Tensor:
        """The raw scalars s_k, shape (n,)."""
        return self.scaled_raw * self.steps

    def refresh(self) -> None:
        """Compute the ratios once for all who use them in one pass through the model: `current`."""
        self.current = self()

    def trained(self) -> dict[str, nn.Parameter]:
        """Return what the optimiser steps, by name."""
        return {"scaled_raw": self.scaled_raw}

    @torch.no_grad()
    def summary(self) -> list[float]:
        """Return the ratios; called on every rank."""
        with gathered([self.scaled_raw]):
            values: list[float] = self().tolist()
        return values

    def forward(self) -> Tensor:
        """Return the ratios, shape (n,); their mean is `mean`."""
        if self.approach is Approach.SHIFTED:
            return shifted_ratios(self.raw, self.mean)
        return normalized_ratios(self.raw, self.mean, self.epsilon)


def start_ratios(model: PreTrainedModel, settings: RatioSettings) -> tuple[ParameterBlocks, LearnedRatios]:
    """Return the blocks of a model, and their ratios before any step: all at the mean.

    Raises:
        UserError: blocks that do not fit the model.
    """
    layers = model.config.num_hidden_layers
    blocks = parameter_blocks(
        settings.mask_level, live_sites(model), layers, settings.scope, settings.borders
    )
    paces = (
        [float(max(1, len(linears))) for linears in blocks.linears] if settings.scale_lr_by_sharing else None
    )
    count, mean = len(blocks.labels), settings.mean_ratio
    return blocks, LearnedRatios(count, mean, settings.epsilon, settings.approach, paces)


def learned_mask(ratios: LearnedRatios, blocks: ParameterBlocks) -> LearnedMask:
    """Return the module's ratios with the parameters that they belong to, as a merge reads them."""
    modules = {module_of(name): block for name, block in blocks.index.items()}
    raw = ratios.raw.detach().float().cpu()
    return LearnedMask(
        raw, blocks.labels, modules, ratios.mean, ratios.epsilon, ratios.approach, blocks.scope
    )
