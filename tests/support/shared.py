"""What the processes of one test run share: a folder, and in it what is made once for all of them."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_RUN = "AMA_TEST_RUN"


def share(folder: Path) -> None:
    """Make `folder` the one that this process shares with those that it starts."""
    os.environ[_RUN] = str(folder)


def run_folder() -> Path:
    """Return the folder that conftest.py has made."""
    return Path(os.environ[_RUN])


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Let one process at a time into the block of this name."""
    with (run_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def once(name: str, make: Callable[[Path], object]) -> Path:
    """Have `make` fill the folder of this name unless another test has; return it, not to be changed."""
    folder = run_folder() / name
    done = run_folder() / f"{name}.done"
    with alone(name):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one who failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
