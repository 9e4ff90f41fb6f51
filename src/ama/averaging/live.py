"""Two models in memory: where their parameters sit, whether they are a pair, and plans of their average."""

from __future__ import annotations

from transformers import PreTrainedModel

from ama.averaging.plan import Plan, PlannedTensor, mixed_dtype
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.sites import Site, find_sites
from ama.checkpoint.tensors import LoadedTensor
from ama.errors import UserError
from ama.models.sharded import whole_shape


def live_sites(model: PreTrainedModel) -> dict[str, Site]:
    """Return the site of every parameter of a model in memory, by its name there."""
    shapes = {name: whole_shape(parameter) for name, parameter in model.named_parameters()}
    return find_sites(shapes, model.config.num_hidden_layers)


def plan_live(before: PreTrainedModel, after: PreTrainedModel, schedule: Schedule) -> Plan:
    """Plan the average of two models in memory, by the same sites and formula as that of their checkpoints.

    Args:
        before: the model before RLHF.
        after: the model after RLHF, with the same parameters; see `check_pair`.
        schedule: the ratios.
    """
    first, second = dict(before.named_parameters()), dict(after.named_parameters())
    tensors = [
        PlannedTensor(
            site,
            LoadedTensor(first[name].detach()),
            LoadedTensor(second[name].detach()),
            schedule.ratio_at(site),
            mixed_dtype(first[name].dtype, second[name].dtype),
            tuple(first[name].shape),
        )
        for name, site in live_sites(after).items()
    ]
    return Plan(schedule, tuple(tensors))


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
