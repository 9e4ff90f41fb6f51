"""From a plan to weights in memory: a model of its own, or a third set of weights beside two models."""

import copy
import fnmatch
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.averaging.chunks import Buffers, check_finite, mix_chunks, one_torch_thread
from ama.averaging.companions import copy_companions
from ama.averaging.live import check_pair, plan_live
from ama.averaging.plan import MergePlan, Plan, PlannedTensor, mixed_dtype
from ama.averaging.schedules.schedule import Schedule
from ama.checkpoint.names import module_of, stored_patterns
from ama.checkpoint.tensors import LoadedTensor
from ama.errors import UserError
from ama.models.loading import load_tokenizer, model_of

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]
Loader = Callable[[str], Loaded]
"""Loads a model, its weights in a type such as `auto` or `float32`, and its tokenizer."""


def merged_tensors(plan: Plan) -> dict[str, Tensor]:
    """Mix every tensor of a plan, into what `write_average` would write, bit for bit.

    Args:
        plan: what to mix.

    Returns:
        The tensors of the result by their names in a checkpoint.

    Raises:
        UserError: a non-finite result, or an input that can't be read.
    """
    buffers, method = Buffers(), plan.method
    results = {tensor.site.name: torch.empty(tensor.shape, dtype=tensor.dtype) for tensor in plan.tensors}

    def fill(tensor: PlannedTensor) -> None:
        flat = results[tensor.site.name].view(-1)
        for chunk in mix_chunks(tensor, method, lambda start, stop: flat[start:stop], buffers):
            check_finite(tensor, chunk)

    with one_torch_thread(), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        # Read to the end, so that a failure is raised here.
        list(pool.map(fill, plan.tensors))
    return results


def load_merged(plan: MergePlan, dtype: str = "auto") -> Loaded:
    """Load what `ama.interpolate` would write by this plan: the same weights, settings and tokenizer.

    Args:
        plan: the merge; of an adapter alone, one with ratio 0.
        dtype: type of the weights in memory, `auto` for that of the checkpoint that would be written.

    Returns:
        The model on the CPU, in evaluation mode, and its tokenizer.

    Raises:
        UserError: a result that is not finite, inputs that can't be read, or no model for transformers.
    """
    tensors = merged_tensors(plan)
    with TemporaryDirectory() as name:
        folder = Path(name)
        copy_companions(plan, folder, trust_remote_code=False)
        label = f"{plan.before.label} + {plan.after.label}"
        return model_of(folder, tensors, label, dtype), load_tokenizer(folder)


class InMemoryAverage:
    """Two models, and a third that becomes any average of them without new memory.

    Attributes:
        model: the third; it equals after, but for its type, until the first mix.
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
        self._pair = before, after
        self._before, self._after = _weights(before), _weights(after)
        self._buffers = Buffers()
        self.model: PreTrainedModel = copy.deepcopy(after)
        self.model.train(False)
        for name, parameter in self.model.named_parameters():
            parameter.data = parameter.data.to(dtype or self._written(name))

    @torch.no_grad()
    def mix(self, plan: Plan | Schedule) -> PreTrainedModel:
        """Set `model` to an average, as `python -m ama.interpolate` would write it.

        A model of another type than a merge would write gets what loading that merge would give it.

        Args:
            plan: of the files of the same two models; a schedule is planned from the models in memory.

        Raises:
            UserError: only the merge itself can tell the weights, and can't be made.
        """
        if isinstance(plan, Schedule):
            plan = plan_live(*self._pair, plan)
        targets, planned = _weights(self.model), self._in_memory(plan)
        if planned is None:
            # Some weights that are one tensor in memory are several in the files, with ratios of their own.
            assert isinstance(plan, MergePlan)
            self.model.load_state_dict(load_merged(plan)[0].state_dict())
            return self.model
        method = plan.method
        for tensor in planned:
            out = targets[tensor.site.name].view(-1)

            def target(start: int, stop: int, out: Tensor = out, dtype: torch.dtype = tensor.dtype) -> Tensor:
                place = out[start:stop]
                return place if place.dtype == dtype else torch.empty_like(place, dtype=dtype)

            for chunk in mix_chunks(tensor, method, target, self._buffers):
                if out.dtype != tensor.dtype:
                    out[chunk.start : chunk.start + len(chunk.merged)].copy_(chunk.merged)
        return self.model

    def _in_memory(self, plan: Plan) -> list[PlannedTensor] | None:
        """Return the plan of the weights by their names and places in memory, None where it does not fit."""
        by_name = {tensor.site.name: tensor for tensor in plan.tensors}
        by_module: dict[str, list[PlannedTensor]] = {}
        for tensor in plan.tensors:
            by_module.setdefault(tensor.site.module, []).append(tensor)
        found = []
        for name, before in self._before.items():
            parts = [by_name[name]] if name in by_name else _stored_parts(name, by_module)
            if not parts:
                return None
            differ = len({part.ratio for part in parts}) > 1 or any(part.ratios for part in parts)
            if len(parts) > 1 and (plan.method.sums or differ):
                return None
            found.append(
                replace(
                    parts[0],
                    site=replace(parts[0].site, name=name),
                    before=LoadedTensor(before),
                    after=LoadedTensor(self._after[name]),
                    dtype=self._written(name),
                    shape=tuple(before.shape),
                )
            )
        return found

    def _written(self, name: str) -> torch.dtype:
        """Return the type in which a merge would write a parameter."""
        return mixed_dtype(self._before[name].dtype, self._after[name].dtype)


class LoadedPair:
    """The two models of a sweep, loaded once when they are first needed, and a third set of weights.

    Loading an average mixes it into the third set, so that the one loaded before is gone.
    """

    def __init__(self, before: Loader, after: Loader) -> None:
        """Take what loads the models; nothing is loaded yet."""
        self._load = before, after
        self._loaded: tuple[Loaded, Loaded] | None = None
        self._average: InMemoryAverage | None = None
        self._dtype = ""
        self._mixed: Plan | None = None

    def loader(self, plan: Plan, *, as_before: bool = False) -> Loader:
        """Return what loads the average of a plan.

        Args:
            plan: of the two models.
            as_before: with the generation settings and tokenizer of before, not of after.
        """

        def load(dtype: str) -> Loaded:
            if self._loaded is None:
                before, after = (parent("auto") for parent in self._load)
                self._loaded = before, after
            average = self._open(self._loaded[0][0], self._loaded[1][0], dtype)
            if self._mixed is not plan:
                average.mix(plan)
                self._mixed = plan
            model, tokenizer = self._loaded[0 if as_before else 1]
            average.model.generation_config = model.generation_config
            return average.model, tokenizer

        return load

    def _open(self, before: PreTrainedModel, after: PreTrainedModel, dtype: str) -> InMemoryAverage:
        if self._average is None:
            kind = None if dtype == "auto" else getattr(torch, dtype)
            self._average, self._dtype = InMemoryAverage(before, after, kind), dtype
        if dtype != self._dtype:
            raise UserError(f"measures of one sweep need one --dtype, not {self._dtype} and {dtype}")
        return self._average


def _weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _stored_parts(name: str, by_module: Mapping[str, list[PlannedTensor]]) -> list[PlannedTensor]:
    """Return the tensors that a weight in memory is made of, where it has another name in the files."""
    patterns = stored_patterns(module_of(name))
    modules = [module for pattern in patterns for module in fnmatch.filter(by_module, pattern)]
    return [tensor for module in modules for tensor in by_module[module]]
