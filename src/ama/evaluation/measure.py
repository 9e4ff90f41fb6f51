"""What can be measured of a model: a measure gives numbers, and knows what stands in their rows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from statistics import stdev
from typing import Any

from ama.evaluation.items import Items
from ama.evaluation.subject import Subject
from ama.settings.base import Settings
from ama.settings.evaluation import ScoringSettings
from ama.settings.measures import kind_of


@dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        metric: its name.
        value: finite.
        stderr: its standard error, None where it has none.
        n: how many units (blocks, questions, replies) were measured.
        items: what it is made of, None where it has no items or they are not known.
    """

    metric: str
    value: float
    stderr: float | None
    n: int
    items: Items | None = field(default=None, repr=False)


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean over units, None for a single one."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


@dataclass(frozen=True)
class Measurement:
    """What is measured, but for the model.

    Attributes:
        group: as in `Score`.
        task: name of the task.
        backend: the distribution whose software measures.
        settings: what decides the numbers beside the model; seed and version of the backend have their own
            columns and are no part of it.
        seed: of sampling, None where nothing is sampled.
        groups: of those metrics that are of another group; each is shown in a front of its own right.
    """

    group: str
    task: str
    backend: str
    settings: Mapping[str, Any]
    seed: int | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    def group_of(self, metric: str) -> str:
        """Return the group of a metric."""
        return self.groups.get(metric, self.group)


class Measure(ABC):
    """One task of an evaluation with its settings.

    For each model `ama.evaluation.loop` calls `open`, then `run`, writes the rows, and calls `forget`.

    Attributes:
        what: what goes into the rows.
        metrics: the numbers without which it counts as not measured; the first is the one that fronts show.
        has_judge: whether another model judges replies; then all models reply before it is loaded.
    """

    what: Measurement
    metrics: tuple[str, ...]
    has_judge: bool = False

    @property
    def needs_folder(self) -> bool:
        """Whether it reads checkpoint folders only, as vLLM does, and no average in memory."""
        return False

    @property
    def opening(self) -> Hashable:
        """Measures for which this is equal share what one of them has opened."""
        return id(self)

    def prepare(self) -> None:  # noqa: B027
        """Find out, before a model is loaded, what is wrong with the data or with a judge.

        Raises:
            UserError: names it.
        """

    @abstractmethod
    def open(self, subject: Subject) -> Any:
        """Return what `run` takes: the loaded model, or replies of it that have been drawn.

        Raises:
            UserError: the model does not load, or can't reply.
        """

    @abstractmethod
    def run(self, subject: Subject, opened: Any) -> list[Number] | None:
        """Measure a model.

        Args:
            subject: which.
            opened: what `open` has returned for it.

        Returns:
            The numbers; None on processes of a run that have nothing to report.

        Raises:
            UserError: what the model says can't be measured.
        """

    def forget(self, subject: Subject) -> None:  # noqa: B027
        """Remove what was saved in case of a crash, after the rows have been written."""


def measures_of(settings: Settings, scoring: ScoringSettings) -> list[Measure]:
    """Return the measures that a group of settings asks for.

    Args:
        settings: one of the groups in `ama.settings.measures.MEASURES`.
        scoring: where the rows go, and how the models are loaded.

    Raises:
        UserError: data or a judge that are not there, or settings that don't go together.
    """
    module, _, name = kind_of(settings).measures.partition(":")
    made: list[Measure] = getattr(import_module(module), name)(settings, scoring)
    return made
