"""Averages of two models in memory: a third set of weights, mixed in place for one schedule after another."""

from __future__ import annotations

import copy

import torch
from transformers import PreTrainedModel

from ama.averaging.interpolate import mix_into, mixed_dtype
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.sites import Site, find_sites
from ama.errors import UserError
from ama.models.sharded import whole_shape


def live_sites(model: PreTrainedModel) -> dict[str, Site]:
    """Return the site of every parameter of a model in memory, by its name there."""
    shapes = {name: whole_shape(parameter) for name, parameter in model.named_parameters()}
    return find_sites(shapes, model.config.num_hidden_layers)


def check_pair(before: PreTrainedModel, after: PreTrainedModel) -> None:
    """Check that two models have the same parameters.

    Raises:
        UserError: one is missing or has another shape; names it.
    """
    shapes = [{name: whole_shape(p) for name, p in m.named_parameters()} for m in (before, after)]
    for name in {**shapes[0], **shapes[1]}:
        first, second = (found.get(name) for found in shapes)
        if first != second:
            raise UserError(
                f"'{name}' is {_shape_text(first)} in before and {_shape_text(second)} in after: "
                "give two models of one architecture and vocabulary"
            )


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else "x".join(map(str, shape))


class InMemoryAverage:
    """Two models, and a third that becomes any average of them without new memory.

    Attributes:
        model: the third; it equals after, but for its type, until the first mix.
        sites: the site of each parameter by name.
    """

    def __init__(
        self, before: PreTrainedModel, after: PreTrainedModel, dtype: torch.dtype | None = None
    ) -> None:
        """Take two models of one architecture; neither is changed.

        Args:
            before: the model before RLHF.
            after: the model after RLHF.
            dtype: type of the third one's weights; None for the types that a merge would write.

        Raises:
            UserError: their parameters differ in name or shape.
        """
        check_pair(before, after)
        self._before, self._after = dict(before.named_parameters()), dict(after.named_parameters())
        self.model: PreTrainedModel = copy.deepcopy(after)
        self.model.train(False)
        for name, parameter in self.model.named_parameters():
            parameter.data = parameter.data.to(dtype or self._written(name))
        self.sites = live_sites(after)

    @torch.no_grad()
    def mix(self, schedule: Schedule) -> PreTrainedModel:
        """Set `model` to the average by a schedule, as `python -m ama.interpolate` would write it.

        A model of another type than a merge would write gets what loading that merge would give it.
        """
        for name, target in self.model.named_parameters():
            values = (target, self._before[name], self._after[name])
            out, before, after = (value.detach().view(-1) for value in values)
            written = self._written(name)
            mixed = out if out.dtype == written else torch.empty_like(out, dtype=written)
            mix_into(mixed, before, after, schedule.ratio_at(self.sites[name]))
            if mixed is not out:
                out.copy_(mixed)
        return self.model

    def _written(self, name: str) -> torch.dtype:
        """Return the type in which a merge would write a parameter."""
        return mixed_dtype(self._before[name].dtype, self._after[name].dtype)
