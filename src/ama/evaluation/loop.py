"""The loop of every evaluation: measure each model by each measure of which there are no rows yet."""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from ama.errors import UserError
from ama.evaluation.measure import Measure, measures_of
from ama.evaluation.recording import ScoreBook, say
from ama.evaluation.subject import Subject, subjects_of
from ama.processes import broadcast, is_first, join
from ama.settings.base import Settings
from ama.settings.evaluation import ScoringSettings, SubjectSettings


class Failure(NamedTuple):
    """A measure that has failed for a model.

    Attributes:
        subject: the model.
        measure: what was to be measured.
        reason: in one line.
    """

    subject: Subject
    measure: Measure
    reason: str


class _Task(NamedTuple):
    subject: Subject
    measure: Measure


def evaluate(which: SubjectSettings, settings: Settings, scoring: ScoringSettings) -> None:
    """Measure models, or averages made in memory, and append the rows that are not there yet.

    Under a launcher the processes share the work within a measure, and the first one writes.

    Args:
        which: what is measured.
        settings: of a kind of measure, one of the groups in `ama.settings.measures.MEASURES`.
        scoring: where the rows go.

    Raises:
        UserError: models, data or settings that are wrong.
    """
    # The models first: a measure of local data goes offline, and a model may come from the hub.
    subjects = subjects_of(which)
    measure_models(subjects, measures_of(settings, scoring), ScoreBook(scoring.scores, rerun=scoring.rerun))


def measure_models(subjects: Sequence[Subject], measures: Sequence[Measure], book: ScoreBook) -> None:
    """Measure each model by each measure where the book has no row; the first failure ends it.

    Where a judge is to read replies, all models reply before it is loaded.

    Args:
        subjects: the models.
        measures: what is measured of each.
        book: gets the rows.

    Raises:
        UserError: as `Measure` does.
    """
    join()
    tasks = _lacking(subjects, measures, book, told=True)
    _prepare(tasks)
    replies = [task.measure.open(task.subject) if task.measure.has_judge else None for task in tasks]
    run = _Run(tasks, book, {})
    for task, opened in zip(tasks, replies, strict=True):
        run.measure(task, opened)


def measure_points(
    subjects: Sequence[Subject], measures: Sequence[Measure], book: ScoreBook, names: Mapping[str, str]
) -> list[Failure]:
    """Measure each average of a sweep by each measure where the book has no row.

    If one measurement fails, the rest still run. The averages are in memory one at a time, so that each is
    measured by everything before the next is mixed.

    Args:
        subjects: this process's part of the averages.
        measures: what is measured of each.
        book: gets the rows.
        names: what progress calls a model, by its fingerprint.

    Returns:
        What failed.

    Raises:
        UserError: what `Measure.prepare` finds wrong before anything is measured.
    """
    tasks = _lacking(subjects, measures, book, told=False)
    _prepare(tasks)
    run, failures = _Run(tasks, book, names), []
    for task in tasks:
        try:
            run.measure(task)
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            failures.append(Failure(*task, reason))
            sys.stderr.write(f"{run.name(task)}: {task.measure.what.task} failed: {reason}\n")
    return failures


def _lacking(
    subjects: Sequence[Subject], measures: Sequence[Measure], book: ScoreBook, *, told: bool
) -> list[_Task]:
    """Return what has no row yet, model by model, the same on every process; `told` names the others."""
    tasks = [_Task(subject, measure) for subject in subjects for measure in measures]
    lacks = broadcast([book.lacks(task.subject, task.measure.what, task.measure.metrics) for task in tasks])
    for (subject, measure), missing in zip(tasks, lacks, strict=True):
        if told and not missing and is_first():
            name = f"{measure.metrics[0]} on {measure.what.task}"
            sys.stderr.write(f"{subject.label}: {name} is there already (--rerun measures again)\n")
    return [task for task, missing in zip(tasks, lacks, strict=True) if missing]


def _prepare(tasks: Sequence[_Task]) -> None:
    for subject, measure in tasks:
        if measure.needs_folder and subject.folder is None:
            raise UserError(f"--engine vllm reads whole checkpoints, not {subject.label}: merge it first")
    for measure in {id(task.measure): task.measure for task in tasks}.values():
        measure.prepare()


class _Run:
    """One pass over tasks, model by model."""

    def __init__(self, tasks: Sequence[_Task], book: ScoreBook, names: Mapping[str, str]) -> None:
        self._book, self._names = book, names
        self._total, self._begun, self._number = len(tasks), time.monotonic(), 0
        self._subject: Subject | None = None
        self._opened: dict[Hashable, Any] = {}

    def name(self, task: _Task) -> str:
        return self._names.get(task.subject.fingerprint, task.subject.label)

    def measure(self, task: _Task, opened: Any = None) -> None:
        """Measure, append the rows and tell of them.

        Args:
            task: of one model after the other.
            opened: what its measure has opened before, None if it has not.
        """
        subject, measure = task
        self._tell(task)
        numbers = measure.run(subject, self._open(task) if opened is None else opened)
        if numbers is None:
            return
        self._book.add(subject, measure.what, numbers)
        say(subject, measure.what, numbers)
        if is_first():
            measure.forget(subject)

    def _open(self, task: _Task) -> Any:
        subject, measure = task
        if subject is not self._subject:
            # Before the next one is opened: two models may not fit into memory.
            self._opened.clear()
            self._subject = subject
        if measure.opening not in self._opened:
            self._opened[measure.opening] = measure.open(subject)
        return self._opened[measure.opening]

    def _tell(self, task: _Task) -> None:
        """Say what comes next and how long the rest will take, where there is more than one task."""
        done = self._number
        self._number += 1
        if self._total > 1 and is_first():
            seconds = (time.monotonic() - self._begun) / done * (self._total - done) if done else None
            left = "" if seconds is None else f", {seconds:.0f} s left"
            place = f"{self.name(task)}, {task.measure.what.task}"
            sys.stderr.write(f"{self._number}/{self._total}: {place}{left}\n")
