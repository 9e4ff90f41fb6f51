"""Measure what a point of a sweep costs beside its evaluation, in time and memory; see README.md."""

import argparse
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from ama.evaluation.measure import Measure, measures_of
from ama.evaluation.subject import Subject
from ama.evaluation.sweep.points import Point, points_of
from ama.evaluation.sweep.words import read_measure
from ama.settings.evaluation import ScoringSettings
from ama.settings.merging import Scope

_GIB = 1 << 30


def seconds_each(subjects: Sequence[Subject], measure: Measure) -> Iterator[float]:
    """Yield the seconds that loading and measuring each model take."""
    for subject in subjects:
        begun = time.perf_counter()
        measure.run(subject, measure.open(subject))
        yield time.perf_counter() - begun


def mixing_seconds(points: Sequence[Point], dtype: str) -> list[float]:
    """Return the seconds that mixing each average takes."""
    found = []
    for point in points:
        begun = time.perf_counter()
        point.subject.load(dtype)
        found.append(time.perf_counter() - begun)
    return found


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _GIB


def main() -> None:
    """Read the options, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", required=True, help="model folder")
    parser.add_argument("--after", required=True, help="model folder")
    parser.add_argument("--measure", required=True, help="as of python -m ama.pareto, one task")
    parser.add_argument("--dtype", default="float32", help="of the weights")
    parser.add_argument("--points", type=int, default=3, help="averages to measure")
    options = parser.parse_args()
    schedules = tuple(f"{(number + 1) / (options.points + 1):.6f}" for number in range(options.points))
    with TemporaryDirectory() as work:
        scoring = ScoringSettings(scores=Path(work) / "scores.jsonl", dtype=options.dtype, rerun=True)
        (measure,) = measures_of(read_measure(options.measure), scoring)
        measure.prepare()
        curves = {"plain averaging": schedules}
        before, _, *averages = points_of(options.before, options.after, curves, Scope.ALL)
        empty = _peak()
        # What is done once: loading the two models, and the first run of the harness.
        measure.run(before.subject, measure.open(before.subject))
        # The same model over and over is not mixed again.
        alone = list(seconds_each([before.subject] * options.points, measure))
        points = list(seconds_each([point.subject for point in averages], measure))
        mixing = mixing_seconds(averages, options.dtype)
    rows = (
        ("mixing a point, s", f"{median(mixing):.3f}"),
        ("evaluation of a model that is mixed, s", f"{median(alone):.3f}"),
        ("a point with its evaluation, s", f"{median(points):.3f}"),
        ("mixing as a share of the evaluation", f"{median(mixing) / median(alone):.2%}"),
        ("peak memory beyond the start, GiB", f"{_peak() - empty:.2f}"),
    )
    sys.stdout.write("| | |\n| --- | --- |\n" + "".join(f"| {name} | {value} |\n" for name, value in rows))


if __name__ == "__main__":
    main()
