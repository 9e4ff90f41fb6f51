"""The rows of one run of an evaluation: which are there already, and new ones with all that they share."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ama
from ama.averaging.record import commit
from ama.evaluation.items import write_items
from ama.evaluation.measure import Measurement, Number
from ama.evaluation.scores import Score, append_scores, number_text, read_scores, score_key
from ama.evaluation.subject import Subject
from ama.processes import is_first


class ScoreBook:
    """A file of scores as a run of an evaluation sees it."""

    def __init__(self, path: Path, *, rerun: bool = False, with_items: bool = False) -> None:
        """Read what is there.

        Args:
            path: the file.
            rerun: nothing counts as measured.
            with_items: keep the items of every number that has some.

        Raises:
            UserError: the file is something else than scores.
        """
        self._path = path
        self._with_items = with_items
        self._known = set() if rerun else {(score.key, score.seed) for score in read_scores(path)}

    def lacks(self, subject: Subject, what: Measurement, metrics: Iterable[str]) -> bool:
        """Tell whether one of the metrics has not been measured yet."""
        settings = _settings(subject, what)
        keys = ((score_key(subject.model, what.task, name, settings), what.seed) for name in metrics)
        return any(key not in self._known for key in keys)

    def add(self, subject: Subject, what: Measurement, numbers: Sequence[Number]) -> None:
        """Append a row for each number, all together; of several processes the first one does.

        Raises:
            UserError: a number that is not finite.
            OSError: the file can't be written.
        """
        if not is_first():
            return
        shared: dict[str, Any] = {
            "model": subject.model,
            "schedule": subject.schedule,
            "task": what.task,
            "seed": what.seed,
            "backend": what.backend,
            "backend_version": _version(what.backend),
            "settings": _settings(subject, what),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit() or "",
        }
        scores = [
            Score(
                group=what.group_of(found.metric),
                metric=found.metric,
                value=found.value,
                stderr=found.stderr,
                n=found.n,
                **shared,
            )
            for found in numbers
        ]
        if self._with_items:
            # Before the rows: a row whose items are lost would not be measured again.
            for score, found in zip(scores, numbers, strict=True):
                if found.items is not None:
                    write_items(self._path, score, found.items)
        append_scores(self._path, scores)
        self._known |= {(score.key, score.seed) for score in scores}


def say(subject: Subject, what: Measurement, numbers: Iterable[Number]) -> None:
    """Tell what was measured on stderr, a line for each number; of several processes the first one does."""
    if is_first():
        for found in numbers:
            value = number_text(found.value, found.stderr)
            sys.stderr.write(f"{subject.label}: {found.metric} on {what.task} {value}, n = {found.n}\n")


def _version(distribution: str) -> str:
    """Return a distribution's version; ours also where it runs from a checkout."""
    return ama.__version__ if distribution == ama.__name__ else version(distribution)


def _settings(subject: Subject, what: Measurement) -> dict[str, Any]:
    return {**what.settings, "weights": subject.fingerprint, "ratio": subject.ratio}
