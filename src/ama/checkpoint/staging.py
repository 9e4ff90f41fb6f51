"""A folder that appears under its name only when it is whole: staged beside the target, then renamed."""

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ama.errors import UserError, os_error_text

RECORD_NAME = "ama_merge.json"
_CURRENT_FOLDER = -100
_EXCHANGE = 2
# What a file system without locks answers: then one target must not be written twice at a time.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL)


def check_target(target: Path, inputs: list[Path], *, overwrite: bool, record: str = RECORD_NAME) -> None:
    """Check that a result may be written to `target`.

    Args:
        target: a folder that exists or not.
        inputs: folders that are read.
        overwrite: whether a result that stands there may be replaced.
        record: the file by which a result of this kind is known.

    Raises:
        UserError: it exists and `overwrite` is off or it is no result of ama, or it overlaps an input folder.
    """
    place = real_path(target)
    for folder in map(real_path, inputs):
        if place == folder or folder in place.parents:
            raise UserError(f"output {target} lies in the input folder {folder}: choose a folder outside it")
        if place in folder.parents:
            raise UserError(f"the input folder {folder} lies in the output {target}: choose another output")
    if not os.path.lexists(place):
        return
    if not overwrite:
        raise UserError(f"output {target} exists already: choose another, or replace it with --overwrite")
    if not (target / record).is_file():
        raise UserError(f"output {target} holds no {record}, so ama did not write it: remove it yourself")


def check_model_target(target: Path, *, overwrite: bool) -> None:
    """Check that a model may be saved as the folder `target`.

    Raises:
        UserError: if it exists and `overwrite` is off, or if it is no model folder.
    """
    if target.exists() and not overwrite:
        raise UserError(f"output {target} exists already: choose another, or replace it with --overwrite")
    if target.exists() and not (target / "config.json").is_file():
        raise UserError(f"output {target} is no model folder (no config.json): remove it yourself")


def real_path(path: Path) -> Path:
    """Return the absolute path without symlinks; unlike Path.resolve it lets a loop of them stand."""
    return Path(os.path.realpath(path))


def staging_of(target: Path) -> Path:
    """Return the folder beside `target`, links followed, in which it is made."""
    place = real_path(target)
    return place.parent / f".{place.name}.ama-staging"


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the system refuses while `target` is written into a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"output {target} can't be written: {os_error_text(error)}; free space or choose another output"
        ) from error


@contextmanager
def staged_folder(target: Path) -> Iterator[None]:
    """Make `staging_of(target)`, fresh and empty; when the block ends well, rename it to `target`.

    What an earlier, killed run left is cleared first. A folder that stands at `target` is exchanged in one
    step and then deleted. On an error nothing is left and `target` is untouched.

    Raises:
        UserError: another process is writing the same target, or the folder can't be made or moved.
    """
    staging, place = staging_of(target), real_path(target)
    with ExitStack() as locks:
        with writing(target):
            staging.mkdir(parents=True, exist_ok=True)
            if not _lock(staging, locks):
                raise UserError(f"another process is writing {target}: wait for it, or choose another output")
        try:
            with writing(target):
                _clear(staging, place)
            yield
            with writing(target):
                _sync(staging)
                _move_into_place(staging, place, locks)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


def _lock(folder: Path, locks: ExitStack) -> bool:
    """Lock a folder until `locks` ends; return False if another process holds it or has just moved it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        locks.callback(os.close, descriptor)
        _flock(descriptor)
        return os.path.samestat(os.fstat(descriptor), os.stat(folder))
    except (BlockingIOError, FileNotFoundError):
        return False


def _flock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _clear(staging: Path, place: Path) -> None:
    """Remove what a killed run left, and put back an old result that it had moved aside."""
    for entry in staging.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    old = _old_of(place)
    if old.exists() and not place.exists():
        old.rename(place)
    elif old.exists():
        shutil.rmtree(old)


def _move_into_place(staging: Path, place: Path, locks: ExitStack) -> None:
    if not place.exists():
        staging.rename(place)
        _sync_one(place.parent)
        return
    # The old result is deleted under the staging folder's name, which no other process may claim till then.
    _lock(place, locks)
    old = staging
    if not _exchange(staging, place):
        old = _old_of(place)
        place.rename(old)
        staging.rename(place)
    _sync_one(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old_of(place: Path) -> Path:
    """Return where an old result stands aside for the moment in which it is replaced."""
    return place.parent / f".{place.name}.ama-old"


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step (Linux's renameat2); return whether the system could."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    status = libc.renameat2(_CURRENT_FOLDER, os.fsencode(one), _CURRENT_FOLDER, os.fsencode(other), _EXCHANGE)
    return bool(status == 0)


def _sync(folder: Path) -> None:
    """Wait until a folder and all in it are on the disk."""
    for path in folder.rglob("*"):
        _sync_one(path)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems can't sync a folder.
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
