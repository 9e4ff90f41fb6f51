"""An objective of the ratios: a sum of terms, from which training and search take the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ama.ratios.free_ratios import FreeRatios
from ama.ratios.learned_ratios import LearnedRatios

Ratios = LearnedRatios | FreeRatios


@dataclass(frozen=True)
class Step:
    """A micro-batch of an optimizer step, and the model's output for it.

    Attributes:
        data: the micro-batch by column, each of shape (rows, block_size).
        logits: by the column that was read, each of shape (rows, block_size, vocabulary).
        ratios: of the masked model.
        labels: how many count in the step, over all processes and micro-batches; None to count this one's.
        processes: of the run, which average their gradients.
        micro_batches: of the step on each process, which adds up their gradients.
        price: of before's side; 1 where no prices are walked.
        teachers: logits of a parent, as `logits`, for the terms that ask for them.
    """

    data: Mapping[str, Tensor]
    logits: Mapping[str, Tensor]
    ratios: Ratios
    labels: Tensor | int | None = None
    processes: int = 1
    micro_batches: int = 1
    price: float = 1.0
    teachers: Mapping[str, Tensor] = field(default_factory=dict)


class Term:
    """A term of the objective, weight included.

    Attributes:
        data: what it needs in a training, by column, each of shape (blocks, block_size).
        reads: the column of token ids for which it needs the model's logits; empty for none.
        teacher: the ratio of the parent whose logits it needs for the same column, None for none.
    """

    data: Mapping[str, Tensor]
    reads: str = ""
    teacher: float | None = None

    def __init__(self) -> None:
        """Start without data."""
        self.data = {}

    def in_step(self, step: Step) -> Tensor:
        """Return the term's part of an optimizer step: a scalar with a gradient in the ratios."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient in the ratios")

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        """Return the term of an averaged model in evaluation mode; `ratios` are its own, shape (n,)."""
        raise NotImplementedError


class Objective:
    """A sum of terms; the lower, the better."""

    def __init__(self, *terms: Term) -> None:
        """Take the terms, which are added in this order."""
        self.terms = terms

    @property
    def data(self) -> dict[str, Tensor]:
        """What a training needs, by column, all of as many rows."""
        return {name: values for term in self.terms for name, values in term.data.items()}

    def in_step(
        self, model: nn.Module, ratios: Ratios, data: Mapping[str, Tensor], **share: Any
    ) -> tuple[Tensor, Any]:
        """Return the objective of a micro-batch, and the model's output.

        It is scaled so that the sum over the micro-batches of a step, averaged over the processes, is the
        objective of the step. The model runs once, over the rows of all terms.

        Args:
            model: the masked model.
            ratios: its ratios.
            data: rows of `data`.
            **share: what part of an optimizer step this is, as of `Step`; by default all of it.
        """
        teachers = {
            term.reads: teacher_logits(model, ratios, term.teacher, data[term.reads])
            for term in self.terms
            if term.teacher is not None
        }
        read = {term.reads: data[term.reads] for term in self.terms if term.reads}
        output = model(input_ids=torch.cat(list(read.values())), use_cache=False)
        parts = output.logits.split([len(rows) for rows in read.values()])
        step = Step(data, dict(zip(read, parts, strict=True)), ratios, teachers=teachers, **share)
        total, *others = [term.in_step(step) for term in self.terms]
        for value in others:
            total = total + value
        return total, output

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        """Return the objective of an averaged model in evaluation mode, by its ratios of shape (n,).

        Under torch.distributed the processes share the work, and each returns the same number.
        """
        return sum(term.of_model(model, ratios) for term in self.terms)


@torch.no_grad()
def teacher_logits(model: nn.Module, ratios: Ratios, parent: float, ids: Tensor) -> Tensor:
    """Return a parent's logits, shape (rows, length, vocabulary): the model becomes it for one pass."""
    if not isinstance(ratios, FreeRatios):
        raise TypeError("ratios of a fixed mean do not make the masked model one of its parents")
    with ratios.hold(parent):
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
    return logits
