"""Free ratios: sigmoid(raw) of every averaged tensor, of its rows or its elements, without a fixed mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ama.averaging.live import live_sites
from ama.averaging.sites import Site
from ama.models.sharded import gathered, whole_shape
from ama.ratios.parameter_blocks import parameter_blocks
from ama.settings.merging import Scope
from ama.settings.ratios import FREE_LEVELS, RatioSettings

STORED = torch.float16
"""The type in which ratios are stored: off by 2^-12 of a ratio at most."""
_REST = "rest"


@dataclass
class FreeRatios:
    """The raw scalars of a model, and what they belong to.

    Each is a parameter of the modules that use it, so that whatever divides parameters among processes or
    gathers them finds it there.

    Attributes:
        raw: by group, float32: a group is a tensor, by its name, or a block of tensors that share a ratio.
        group_of: the group of each averaged tensor, by its name.
        sizes: how many elements each averaged tensor has.
        parts: the part of each averaged tensor: `embedding`, `layer 0` and so on, `final norm`, `head`.
        held: a ratio that mixes all parameters at the moment, None for their own.
    """

    raw: dict[str, nn.Parameter]
    group_of: Mapping[str, str]
    sizes: Mapping[str, int]
    parts: Mapping[str, str]
    held: float | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The parts, of which `summary` tells the mean ratio."""
        return tuple(dict.fromkeys(self.parts.values()))

    @contextmanager
    def hold(self, ratio: float) -> Iterator[None]:
        """Mix every parameter by one ratio while the block runs: 0 makes the model after RLHF, 1 before."""
        self.held = ratio
        try:
            yield
        finally:
            self.held = None

    def trained(self) -> dict[str, nn.Parameter]:
        """Return what the optimiser steps, by name."""
        return self.raw

    def stored(self, name: str) -> Tensor:
        """Return a tensor's ratios as they are stored, on the CPU; called on every rank."""
        raw = self.raw[self.group_of[name]]
        with gathered([raw]):
            return torch.sigmoid(raw.detach()).to(STORED).cpu()

    @torch.no_grad()
    def means(self) -> dict[str, float]:
        """Return the mean ratio of each averaged tensor; called on every rank."""
        found = {}
        for group, raw in self.raw.items():
            with gathered([raw]):
                found[group] = torch.sigmoid(raw).mean()
        return {name: float(found[group]) for name, group in self.group_of.items()}

    def summary(self) -> list[float]:
        """Return the mean ratio of each part; called on every rank."""
        means = self.means()
        sums = dict.fromkeys(self.labels, 0.0)
        sizes = dict.fromkeys(self.labels, 0)
        for name, part in self.parts.items():
            sums[part] += means[name] * self.sizes[name]
            sizes[part] += self.sizes[name]
        return [sums[part] / sizes[part] for part in self.labels]


def start_free_ratios(model: PreTrainedModel, settings: RatioSettings) -> FreeRatios:
    """Return the ratios of a model before any step: all at `start_ratio`.

    Raises:
        UserError: blocks that do not fit the model.
    """
    sites = live_sites(model)
    averaged = {name: site for name, site in sites.items() if site.linear or settings.scope is Scope.ALL}
    shapes = {name: whole_shape(model.get_parameter(name)) for name in averaged}
    if settings.mask_level in FREE_LEVELS:
        groups = {name: name for name in averaged}
    else:
        layers = model.config.num_hidden_layers
        blocks = parameter_blocks(settings.mask_level, sites, layers, settings.scope, settings.borders)
        groups = {
            name: blocks.labels[blocks.index[name]] if name in blocks.index else _REST for name in averaged
        }
    raw = {}
    start = math.log(settings.start_ratio / (1 - settings.start_ratio))
    for name, group in groups.items():
        if group not in raw:
            shape = _ratio_shape(settings.mask_level, shapes[name], transposed=_is_transposed(model, name))
            raw[group] = nn.Parameter(torch.full(shape, start, dtype=torch.float32))
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    return FreeRatios(raw, groups, sizes, {name: _part(site) for name, site in averaged.items()})


def _ratio_shape(level: str, shape: tuple[int, ...], *, transposed: bool) -> tuple[int, ...]:
    """Return the shape of a tensor's ratios: a row is what gives one output, of Conv1D a column."""
    if level == "element" or (level == "row" and len(shape) == 1):
        return shape
    if level == "row" and shape:
        return (1, *shape[1:]) if transposed else (*shape[:-1], 1)
    return ()


def _is_transposed(model: PreTrainedModel, name: str) -> bool:
    return isinstance(model.get_submodule(name.rpartition(".")[0]), Conv1D)


def _part(site: Site) -> str:
    return str(site.part) if site.layer is None else f"layer {site.layer}"
