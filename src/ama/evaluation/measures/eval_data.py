"""The folder of evaluation sets, as a harness finds it: from the working directory, without internet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from hashlib import sha256
from pathlib import Path

from ama.data.eval_sets.folder import DROP_SIMPLE, SQUAD_METRIC
from ama.data.eval_sets.sets import EVAL_SETS, SQUAD, EvalSet
from ama.errors import UserError

REMEDY = "build it with `bash data/download.sh eval` (EVAL_SOURCE=DIR takes a local copy)"
OPENCOMPASS_DROP = "drop_gen"
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


def stay_offline() -> None:
    """Keep this process, and those that it starts, from the hub.

    The `datasets` library reads this once: it and what imports it (lm-eval, OpenCompass) are imported
    afterwards, in the functions that need them.
    """
    for name in _OFFLINE:
        os.environ[name] = "1"


def check_eval_data(folder: Path, task: str) -> None:
    """Check that the folder has what a task reads; of one that is not among our sets nothing is known.

    Raises:
        UserError: the folder or the set is missing; names it and how to get it.
    """
    if not folder.is_dir():
        raise UserError(f"--eval_data {folder}: no such folder; {REMEDY}")
    for path in _needed(task):
        if not (folder / path).is_file():
            raise UserError(f"the data of {task} are missing: there is no {folder / path}; {REMEDY}")


def data_mark(folder: Path | None, task: str) -> str:
    """Return what changes when the data of a task do: `hub` where they are fetched, `unknown` of other tasks.

    Raises:
        OSError: a file can't be read.
    """
    if folder is None:
        return "hub"
    digest = sha256()
    names = _needed(task)
    if not names:
        return "unknown"
    rows = [path for name in names for path in sorted((folder / name).parent.glob("*.jsonl"))]
    for path in rows:
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def working_in(folder: Path | None) -> Iterator[None]:
    """Make the folder the working directory of the block; None for where we are."""
    with chdir(folder or Path()):
        yield


def _needed(task: str) -> list[str]:
    """Return the files without which a task does not run."""
    if task == OPENCOMPASS_DROP:
        return [DROP_SIMPLE]
    eval_set = _set_of(task)
    if eval_set is None:
        return []
    rows = f"{eval_set.repo}/{eval_set.config}/{eval_set.scored}.jsonl"
    return [rows, *([SQUAD_METRIC] if eval_set is SQUAD else [])]


def _set_of(task: str) -> EvalSet | None:
    return next((eval_set for eval_set in EVAL_SETS if eval_set.task == task), None)
