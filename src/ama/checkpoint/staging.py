"""A folder that appears under its name only when it is whole: staged beside the target, then renamed."""

import ctypes
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ama.core.errors import UserError

RECORD_NAME = "ama_merge.json"
_CURRENT_FOLDER = -100
_EXCHANGE = 2


def check_target(target: Path, inputs: list[Path], *, overwrite: bool) -> None:
    """Check that a result may be written to `target`.

    Raises:
        UserError: it exists and `overwrite` is off or it is no result of ama, or it overlaps an input folder.
    """
    place = target.resolve()
    for folder in (source.resolve() for source in inputs):
        if place == folder or folder in place.parents:
            raise UserError(f"output {target} lies in the input folder {folder}: choose a folder outside it")
        if place in folder.parents:
            raise UserError(f"the input folder {folder} lies in the output {target}: choose another output")
    if not target.exists():
        return
    if not overwrite:
        raise UserError(f"output {target} exists already: choose another, or replace it with --overwrite")
    if not (target / RECORD_NAME).is_file():
        raise UserError(
            f"output {target} holds no {RECORD_NAME}, so ama did not write it: remove it yourself"
        )


def staging_of(target: Path) -> Path:
    """Return the folder beside `target` in which it is made."""
    return target.parent / f".{target.name}.ama-staging"


@contextmanager
def staged_folder(target: Path) -> Iterator[None]:
    """Make `staging_of(target)`, fresh and empty; when the block ends well, rename it to `target`.

    What an earlier, killed run left is cleared first. A folder that stands at `target` is exchanged in one
    step and then deleted. On an error nothing is left and `target` is untouched.

    Raises:
        UserError: another process is writing the same target, or the folder can't be made.
    """
    staging = staging_of(target)
    lock = _claim(staging, target)
    try:
        yield
        _sync_folder(staging)
        _move_into_place(staging, target)
        _sync_folder(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)


def _claim(staging: Path, target: Path) -> int:
    try:
        staging.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(staging, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"output {target} can't be written: {error.strerror}: {error.filename}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), os.stat(staging)):
            raise FileNotFoundError
        for entry in staging.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        raise UserError(
            f"another process is writing {target}: wait for it, or choose another output"
        ) from None
    return descriptor


def _move_into_place(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
    elif not _exchange(staging, target):
        old = target.parent / f".{target.name}.ama-old"
        target.rename(old)
        staging.rename(target)
        shutil.rmtree(old)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step (Linux's renameat2); return whether the system could."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    status = libc.renameat2(_CURRENT_FOLDER, os.fsencode(one), _CURRENT_FOLDER, os.fsencode(other), _EXCHANGE)
    return bool(status == 0)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
