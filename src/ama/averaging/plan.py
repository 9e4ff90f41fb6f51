"""What a merge will do, tensor by tensor, decided and checked before a weight is read."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ama.averaging.compatibility import check_configs, check_names, config_notes, merged_shape
from ama.averaging.methods import MergeMethod, load_method
from ama.averaging.schedules.schedule import ONLY_BEFORE, Schedule
from ama.averaging.sites import Part, Site, find_sites
from ama.checkpoint.folder import Checkpoint
from ama.checkpoint.names import is_token_table
from ama.checkpoint.tensors import Source, row_length
from ama.checkpoint.tied import untie
from ama.errors import UserError
from ama.settings.merging import VocabularyMismatch

_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor of the result.

    Attributes:
        site: its name and place.
        before: the tensor of the model before RLHF.
        after: the tensor of the model after RLHF.
        ratio: weight of `before`, in [0, 1]; the mean where `ratios` has several.
        dtype: dtype of the result.
        shape: shape of the result; further rows than both inputs share are copied from the one that has them.
        ratios: of its rows, columns or elements, of a shape that broadcasts to `shape`; None for one ratio.
    """

    site: Site
    before: Source
    after: Source
    ratio: float
    dtype: torch.dtype
    shape: tuple[int, ...]
    ratios: Source | None = None

    @property
    def rows(self) -> int:
        """Rows of the result, in the sense of `row_length`."""
        return math.prod(self.shape) // row_length(self.shape)

    @property
    def common_rows(self) -> int:
        """Rows that both inputs have, which are averaged."""
        return min(
            self.rows, *(math.prod(s.shape) // row_length(self.shape) for s in (self.before, self.after))
        )

    @property
    def nbytes(self) -> int:
        """Size of the result in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Plan:
    """What becomes of each tensor; all that an engine needs.

    Attributes:
        schedule: the ratios, and how they are used.
        tensors: every tensor of the result, in before's order.
    """

    schedule: Schedule
    tensors: tuple[PlannedTensor, ...]

    @property
    def method(self) -> MergeMethod:
        """How two tensors are mixed."""
        return load_method(self.schedule.method)

    @property
    def nbytes(self) -> int:
        """Size of the result's weights in bytes."""
        return sum(tensor.nbytes for tensor in self.tensors)

    @property
    def mean_ratio(self) -> float:
        """Mean ratio over all parameters of the result, in [0, 1]."""
        sizes = [math.prod(tensor.shape) for tensor in self.tensors]
        return math.fsum(t.ratio * n for t, n in zip(self.tensors, sizes, strict=True)) / max(1, sum(sizes))

    def blocks(self) -> dict[str, list[PlannedTensor]]:
        """Return the tensors of each block by its label, from the input to the head."""
        groups: dict[tuple[int, int], list[PlannedTensor]] = {}
        for tensor in sorted(self.tensors, key=lambda tensor: tensor.site.layer or 0):
            layer = tensor.site.layer
            block = 0 if layer is None else self.schedule.block_of(layer)
            groups.setdefault((list(Part).index(tensor.site.part), block), []).append(tensor)
        return {self._label(group): group for _, group in sorted(groups.items())}

    def _label(self, group: list[PlannedTensor]) -> str:
        first, last = group[0].site.layer, group[-1].site.layer
        if first is None:
            return str(group[0].site.part)
        return f"block {self.schedule.block_of(first) + 1}: layers {first}-{last}"


@dataclass(frozen=True)
class MergePlan(Plan):
    """A checked merge of two checkpoints.

    Attributes:
        before: the model before RLHF.
        after: the model after RLHF.
        config: the result's config.json.
        notes: what the user should know, a sentence each.
    """

    before: Checkpoint
    after: Checkpoint
    config: Mapping[str, Any]
    notes: tuple[str, ...]


def plan_merge(
    before: Checkpoint,
    after: Checkpoint,
    schedule: Schedule,
    dtype: torch.dtype | None = None,
    vocabulary: VocabularyMismatch = VocabularyMismatch.ERROR,
) -> MergePlan:
    """Check that two checkpoints can be averaged and settle each tensor's ratio, dtype and shape.

    Args:
        before: the model before RLHF.
        after: the model after RLHF.
        schedule: the ratios.
        dtype: of the result; by default the narrowest that holds both inputs exactly.
        vocabulary: what to do where the numbers of token rows differ.

    Raises:
        UserError: the models differ in architecture, tensors or vocabulary, a dtype can't be mixed, or the
            schedule does not fit them.
    """
    return plan_merges(before, after, [schedule], dtype, vocabulary)[0]


def plan_merges(
    before: Checkpoint,
    after: Checkpoint,
    schedules: Iterable[Schedule],
    dtype: torch.dtype | None = None,
    vocabulary: VocabularyMismatch = VocabularyMismatch.ERROR,
) -> list[MergePlan]:
    """Plan one merge per schedule; see `plan_merge`. The models are compared once."""
    check_configs(before, after)
    before, after, notes = untie(before, after)
    check_names(before, after)
    sites = find_sites({name: tensor.shape for name, tensor in before.tensors.items()}, before.num_layers)
    plans = []
    for schedule in schedules:
        if schedule.tensors is not None and not load_method(schedule.method).by_element:
            raise UserError(f"method {schedule.method} takes one ratio a tensor: merge free ratios by linear")
        schedule.check(list(sites.values()), before.num_layers)
        tensors = tuple(
            _plan_tensor(site, before, after, schedule, dtype, vocabulary) for site in sites.values()
        )
        told = (*notes, *_notes(before, after, schedule, tensors))
        plans.append(MergePlan(schedule, tensors, before, after, _merged_config(after, tensors), told))
    return plans


def _plan_tensor(
    site: Site,
    before: Checkpoint,
    after: Checkpoint,
    schedule: Schedule,
    dtype: torch.dtype | None,
    vocabulary: VocabularyMismatch,
) -> PlannedTensor:
    first, second = before.tensors[site.name], after.tensors[site.name]
    shape = merged_shape(site.name, before, after, vocabulary)
    if not (first.dtype.is_floating_point or second.dtype.is_floating_point):
        return PlannedTensor(site, first, second, ONLY_BEFORE, first.dtype, shape)
    for model, tensor in ((before, first), (after, second)):
        if tensor.dtype not in _FLOATS:
            name = str(tensor.dtype).removeprefix("torch.")
            raise UserError(
                f"tensor '{site.name}' of {model.label} is {name}, which can't be averaged: "
                "give bfloat16, float16 or float32 weights"
            )
    wanted = dtype or mixed_dtype(first.dtype, second.dtype)
    if schedule.tensors is None or site.name not in schedule.tensors.tensors:
        return PlannedTensor(site, first, second, schedule.ratio_at(site), wanted, shape)
    ratios = schedule.tensors.of(site.name, shape)
    if ratios.shape:
        return PlannedTensor(site, first, second, schedule.ratio_at(site), wanted, shape, ratios)
    return PlannedTensor(site, first, second, float(ratios.load()), wanted, shape)


def mixed_dtype(before: torch.dtype, after: torch.dtype) -> torch.dtype:
    """Return the narrowest dtype that holds both inputs exactly: the default dtype of the result."""
    return torch.promote_types(before, after)


def _merged_config(after: Checkpoint, tensors: tuple[PlannedTensor, ...]) -> dict[str, Any]:
    config = dict(after.config)
    dtypes = {tensor.dtype for tensor in tensors if tensor.dtype.is_floating_point}
    key = "torch_dtype" if "torch_dtype" in config else "dtype"
    if len(dtypes) == 1:
        config[key] = str(dtypes.pop()).removeprefix("torch.")
    rows = {tensor.shape[0] for tensor in tensors if is_token_table(tensor.site.name) and tensor.shape}
    if "vocab_size" in config and len(rows) == 1:
        config["vocab_size"] = rows.pop()
    return config


def _notes(
    before: Checkpoint, after: Checkpoint, schedule: Schedule, tensors: tuple[PlannedTensor, ...]
) -> list[str]:
    notes = config_notes(before, after)
    for tensor in tensors:
        if not tensor.dtype.is_floating_point:
            notes.append(f"'{tensor.site.name}' holds whole numbers: taken from before")
        if tensor.site.tied and not schedule.is_uniform:
            notes.append(f"'{tensor.site.name}' is embedding and head in one: it takes ratio {tensor.ratio}")
        if tensor.before.shape != tensor.after.shape:
            notes.append(
                f"'{tensor.site.name}': {tensor.common_rows} common rows averaged, "
                f"{tensor.rows - tensor.common_rows} kept from the model that has them"
            )
    pairs = {(t.before.dtype, t.after.dtype) for t in tensors if t.before.dtype != t.after.dtype}
    notes += [f"mixed dtypes: before has {first}, after {second}" for first, second in sorted(pairs, key=str)]
    return notes
