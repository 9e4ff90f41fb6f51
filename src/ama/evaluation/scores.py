"""One record per measured number, and the file of JSON lines that holds them."""

import fcntl
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ama.errors import UserError

LIKELIHOOD = "likelihood"
"""The group and the metric of continuous skill: the likelihood of right answers."""
ScoreKey = tuple[str, str, str, str]
# What every line that `append_scores` writes begins with.
_HEAD = b'{"model": '

_TYPES: Mapping[str, tuple[type, ...]] = {
    "value": (int, float),
    "stderr": (int, float, type(None)),
    "n": (int,),
    "seed": (int, type(None)),
    "settings": (dict,),
}


@dataclass(frozen=True)
class Score:
    """One metric of one model on one task.

    Attributes:
        model: the folder or hub id, as it was given.
        schedule: name of the ratio schedule that made the model; empty if it is no average.
        group: what the task tells about: loss, reward, common_sense, reading, translation, likelihood,
            pairrm.
        task: name of the task.
        metric: name of the number.
        value: the number, finite.
        stderr: its standard error, None where it has none.
        n: how many units (blocks, questions, ...) were measured.
        seed: of sampling, None where nothing is sampled.
        backend: the software that measured.
        backend_version: its version.
        settings: what else decides the number; two scores that differ here are two measurements.
        date: UTC, ISO 8601.
        commit: of ama, empty if it is not known.

    Raises:
        UserError: if a field has another type, or if value or stderr is not finite.
    """

    model: str
    schedule: str
    group: str
    task: str
    metric: str
    value: float
    stderr: float | None
    n: int
    seed: int | None
    backend: str
    backend_version: str
    settings: Mapping[str, Any] = field(hash=False)
    date: str
    commit: str

    def __post_init__(self) -> None:
        """Check the types and that the numbers are finite."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            allowed = _TYPES.get(entry.name, (str,))
            if not isinstance(value, allowed) or isinstance(value, bool):
                names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
                raise UserError(f"{entry.name} is {value!r}, not {names}")
        for name in ("value", "stderr"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise UserError(f"{name} of {self.metric} on {self.task} is {number}, not finite")

    @property
    def key(self) -> ScoreKey:
        """What tells this measurement from another."""
        return score_key(self.model, self.task, self.metric, self.settings)


def score_key(model: str, task: str, metric: str, settings: Mapping[str, Any]) -> ScoreKey:
    """Return what tells two measurements apart: model, task, metric and settings."""
    return model, task, metric, json.dumps(settings, sort_keys=True)


def number_text(value: float, stderr: float | None) -> str:
    """Return `0.5123 ± 0.0101`, without the error where there is none."""
    return f"{value:.4f}" + ("" if stderr is None else f" ± {stderr:.4f}")


def append_scores(path: Path, scores: Sequence[Score]) -> None:
    """Add lines to a file of scores, whole and together even if other processes append at the same time.

    A line that a crash has cut short is ended first, so that it does not swallow what is added.

    Raises:
        OSError: the file can't be written, or the disk is full; the file is then as it was.
    """
    lines = [json.dumps(asdict(score), ensure_ascii=False, allow_nan=False) + "\n" for score in scores]
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = ("\n" * cut + "".join(lines)).encode()
        try:
            written = os.write(descriptor, data)
            if written < len(data):
                raise OSError(f"{path}: wrote {written} of {len(data)} bytes")
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def append_score(path: Path, score: Score) -> None:
    """Add one line; see `append_scores`."""
    append_scores(path, [score])


def read_scores(path: Path) -> list[Score]:
    """Read a file of scores; one that does not exist has none.

    A line that is no score is named on stderr, and the others are kept.

    Raises:
        UserError: the file is something else: no line of it is a score, nor the beginning of one.
    """
    if not path.exists():
        return []
    scores, mistakes = [], []
    content = path.read_bytes()
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            scores += [_parse(line)] if line else []
        except UserError as error:
            mistakes.append(f"{path}: line {number}: {error}")
    head = content[: len(_HEAD)]
    if mistakes and not scores and head != _HEAD[: len(head)]:
        raise UserError(f"{mistakes[0]}; give a file of scores, or a new one")
    sys.stderr.writelines(f"warning: {' '.join(mistake.split())}; left out\n" for mistake in mistakes)
    return scores


def _parse(line: bytes) -> Score:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"not JSON at character {error.pos}: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"not JSON ({type(error).__name__})") from None
    names = {entry.name for entry in fields(Score)}
    if not isinstance(row, dict) or set(row) != names:
        wrong = sorted(names ^ set(row)) if isinstance(row, dict) else []
        raise UserError(f"not a score; missing or unknown: {', '.join(wrong) or 'everything'}")
    return Score(**row)
