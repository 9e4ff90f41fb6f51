"""One sweep at a time in a folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ama.errors import UserError
from ama.processes import launched

_LOCK = ".sweep.lock"


@contextmanager
def sole_sweep(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made, for the processes of one sweep, until the block ends or the process dies.

    Raises:
        UserError: another sweep is at work in it.
        OSError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number, count = launched()
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
