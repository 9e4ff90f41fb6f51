"""An objective of the ratios: a sum of terms, from which training and search take the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ama.ratios.learned_ratios import LearnedRatios


@dataclass(frozen=True)
class Step:
    """A micro-batch of an optimizer step, and the model's output for it.

    Attributes:
        data: the micro-batch by column, each of shape (rows, block_size).
        logits: by the column that was read, each of shape (rows, block_size, vocabulary).
        ratios: the module of the ratios.
        labels: how many count in the step, over all processes and micro-batches; None to count this one's.
        processes: of the run, which average their gradients.
        micro_batches: of the step on each process, which adds up their gradients.
    """

    data: Mapping[str, Tensor]
    logits: Mapping[str, Tensor]
    ratios: LearnedRatios
    labels: Tensor | int | None = None
    processes: int = 1
    micro_batches: int = 1


class Term:
    """A term of the objective, weight included.

    Attributes:
        data: what it needs in a training, by column, each of shape (blocks, block_size).
        reads: the column of token ids for which it needs the model's logits; empty for none.
    """

    data: Mapping[str, Tensor]
    reads: str = ""

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
        self, model: nn.Module, ratios: LearnedRatios, data: Mapping[str, Tensor], **share: Any
    ) -> tuple[Tensor, Any]:
        """Return the objective of a micro-batch, and the model's output.

        It is scaled so that the sum over the micro-batches of a step, averaged over the processes, is the
        objective of the step. The model runs once, over the rows of all terms.

        Args:
            model: the masked model.
            ratios: the module of its ratios.
            data: rows of `data`.
            **share: what part of an optimizer step this is, as of `Step`; by default all of it.
        """
        read = {term.reads: data[term.reads] for term in self.terms if term.reads}
        output = model(input_ids=torch.cat(list(read.values())), use_cache=False)
        parts = output.logits.split([len(rows) for rows in read.values()])
        step = Step(data, dict(zip(read, parts, strict=True)), ratios, **share)
        total, *others = [term.in_step(step) for term in self.terms]
        for value in others:
            total = total + value
        return total, output

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        """Return the objective of an averaged model in evaluation mode, by its ratios of shape (n,).

        Under torch.distributed the processes share the work, and each returns the same number.
        """
        return sum(term.of_model(model, ratios) for term in self.terms)
