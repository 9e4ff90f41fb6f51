"""What the evaluations have in common: something that gives numbers of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ama.evaluation.recording import Measurement, Number
from ama.evaluation.subject import Subject


class Measure(ABC):
    """One task of an evaluation with its settings.

    Attributes:
        what: what goes into the rows.
        metrics: the numbers without which it counts as not measured; the first is the one that fronts show.
    """

    what: Measurement
    metrics: tuple[str, ...]

    def prepare(self) -> None:  # noqa: B027
        """Find out, before a model is loaded, what is wrong with the data or with a judge.

        Raises:
            UserError: names it.
        """

    @abstractmethod
    def run(self, subject: Subject) -> list[Number] | None:
        """Measure a model.

        Returns:
            The numbers; None on processes of a run that have nothing to report.

        Raises:
            UserError: the model does not load, or what it says can't be measured.
        """

    def forget(self, subject: Subject) -> None:  # noqa: B027
        """Remove what was kept for the case of a crash, after the rows have been written."""
