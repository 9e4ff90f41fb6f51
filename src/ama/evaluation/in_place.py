"""Averages of two models that are measured one after the other in one set of weights, mixed in place."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.averaging.live import InMemoryAverage
from ama.averaging.plan import MergePlan
from ama.errors import UserError
from ama.evaluation.subject import Loader, Subject

_Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


class InPlace:
    """The two models, loaded once when they are first needed, and a third set of weights.

    Loading an average mixes it into the third set, so that the one loaded before is gone.
    """

    def __init__(self, before: Subject, after: Subject) -> None:
        """Take the models; nothing is loaded yet."""
        self._parents = before, after
        self._loaded: tuple[_Loaded, _Loaded] | None = None
        self._average: InMemoryAverage | None = None
        self._dtype = ""
        self._mixed: MergePlan | None = None

    def loader(self, plan: MergePlan, *, like_before: bool = False) -> Loader:
        """Return what loads an average.

        Args:
            plan: of the average.
            like_before: whether it has generation settings and tokenizer of before, not of after.
        """

        def load(dtype: str) -> _Loaded:
            parents = self._load_parents()
            average = self._open(parents[0][0], parents[1][0], dtype)
            if self._mixed is not plan:
                average.mix(plan.schedule)
                self._mixed = plan
            model, tokenizer = parents[0 if like_before else 1]
            average.model.generation_config = model.generation_config
            return average.model, tokenizer

        return load

    def _load_parents(self) -> tuple[_Loaded, _Loaded]:
        if self._loaded is None:
            before, after = (parent.load("auto") for parent in self._parents)
            self._loaded = before, after
        return self._loaded

    def _open(self, before: PreTrainedModel, after: PreTrainedModel, dtype: str) -> InMemoryAverage:
        if self._average is None:
            kind = None if dtype == "auto" else getattr(torch, dtype)
            self._average, self._dtype = InMemoryAverage(before, after, kind), dtype
        if dtype != self._dtype:
            raise UserError(f"measures of one sweep need one --dtype, not {self._dtype} and {dtype}")
        return self._average
