"""Measure every point of a sweep, and go on where one of them fails."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ama.errors import UserError
from ama.evaluation.recording import ScoreBook, say
from ama.evaluation.sweep_record import SweepMeasure

if TYPE_CHECKING:
    from ama.evaluation.measure import Measure
    from ama.evaluation.points import Point

Failures = dict[str, dict[str, str]]
"""Why a number is missing, by the point's weights and the name of the measure in the sweep's file."""
_LOCK = ".sweep.lock"


@contextmanager
def sole_sweep(folder: Path, share: tuple[int, int]) -> Iterator[None]:
    """Hold a folder for the processes of one sweep, until the block ends or the process dies.

    Args:
        folder: of the sweep.
        share: this process's number and how many there are.

    Raises:
        UserError: another sweep is at work in it.
        OSError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number, count = share
    # One lock that a sweep of one process has for itself, and that the processes of a sweep have together; of
    # these each has a second one.
    kinds = {_LOCK: fcntl.LOCK_EX if count == 1 else fcntl.LOCK_SH}
    if count > 1:
        kinds[f"{_LOCK}.{number}"] = fcntl.LOCK_EX
    files = [(folder / name).open("a") for name in kinds]
    try:
        for file, kind in zip(files, kinds.values(), strict=True):
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(
            f"another sweep writes to {folder}: wait until it has ended, or give another --out"
        ) from None
    finally:
        for file in files:
            file.close()


def measure_points(points: Sequence[Point], measures: Sequence[Measure], book: ScoreBook) -> Failures:
    """Measure each point by each measure where the book has no row, and say how far it has come.

    A measure that fails at a point leaves it without a row; the others go on.

    Args:
        points: this process's share.
        measures: checked by `Measure.prepare`.
        book: gets the rows, with their items.

    Returns:
        What failed.
    """
    failures: Failures = {}
    todo = [
        (point, measure)
        for point in {point.record.weights: point for point in points}.values()
        for measure in measures
        if book.lacks(point.subject, measure.what, measure.metrics)
    ]
    begun = time.monotonic()
    for number, (point, measure) in enumerate(todo):
        left = f", {(time.monotonic() - begun) / number * (len(todo) - number):.0f} s left" if number else ""
        place = f"{point.record.curve} {point.record.schedule}".strip() or point.subject.label
        sys.stderr.write(f"{number + 1}/{len(todo)}: {place}, {measure.what.task}{left}\n")
        try:
            numbers = measure.run(point.subject)
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            name = sweep_measure(measure).name
            failures.setdefault(point.record.weights, {})[name] = reason
            sys.stderr.write(f"{place}: {measure.what.task} failed: {reason}\n")
            continue
        if numbers:
            book.add(point.subject, measure.what, numbers)
            say(point.subject, measure.what, numbers)
            measure.forget(point.subject)
    return failures


def lacking(points: Sequence[Point], measures: Sequence[Measure], book: ScoreBook) -> list[Measure]:
    """Return the measures that some point has no row of."""
    return [
        one for one in measures if any(book.lacks(point.subject, one.what, one.metrics) for point in points)
    ]


def sweep_measure(measure: Measure) -> SweepMeasure:
    """Return what the sweep's file says of a measure."""
    what = measure.what
    return SweepMeasure(what.group, what.task, measure.metrics[0], what.settings, what.seed)
