"""Averages of two models that are measured one after the other in one set of weights, mixed in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ama.averaging.schedules.schedule import Schedule
from ama.errors import UserError
from ama.evaluation.subject import Loader, Subject

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ama.averaging.live import InMemoryAverage

    Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


class InPlace:
    """The two models, loaded once when they are first needed, and a third set of weights.

    Loading an average mixes it into the third set, so that the one loaded before is gone.
    """

    def __init__(self, before: Subject, after: Subject) -> None:
        """Take the models; nothing is loaded yet."""
        self._parents = before, after
        self._loaded: tuple[Loaded, Loaded] | None = None
        self._average: InMemoryAverage | None = None
        self._dtype = ""
        self._mixed: Schedule | None = None

    def average(self, schedule: Schedule) -> Loader:
        """Return what loads the average by a schedule, with the settings and tokenizer of after."""
        return self._loader(schedule, 1)

    def before(self) -> Loader:
        """Return what loads before, with its own settings and tokenizer."""
        return self._loader(Schedule(1.0), 0)

    def after(self) -> Loader:
        """Return what loads after."""
        return self._loader(Schedule(0.0), 1)

    def _loader(self, schedule: Schedule, parent: int) -> Loader:
        def load(dtype: str) -> Loaded:
            parents = self._load_parents()
            average = self._open(parents[0][0], parents[1][0], dtype)
            if self._mixed != schedule:
                average.mix(schedule)
                self._mixed = schedule
            model, tokenizer = parents[parent]
            average.model.generation_config = model.generation_config
            return average.model, tokenizer

        return load

    def _load_parents(self) -> tuple[Loaded, Loaded]:
        if self._loaded is None:
            before, after = (parent.load("auto") for parent in self._parents)
            self._loaded = before, after
        return self._loaded

    def _open(self, before: PreTrainedModel, after: PreTrainedModel, dtype: str) -> InMemoryAverage:
        import torch

        from ama.averaging.live import InMemoryAverage

        if self._average is None:
            kind = None if dtype == "auto" else getattr(torch, dtype)
            self._average, self._dtype = InMemoryAverage(before, after, kind), dtype
        if dtype != self._dtype:
            raise UserError(f"measures of one sweep need one --dtype, not {self._dtype} and {dtype}")
        return self._average
