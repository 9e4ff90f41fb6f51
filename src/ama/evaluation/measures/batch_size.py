"""A number of items at a time that is given, or the largest that fits into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from accelerate.utils import find_executable_batch_size

from ama.errors import UserError
from ama.processes import is_alone
from ama.settings.measures import BatchSize

_Result = TypeVar("_Result")


def check_batch_size(size: BatchSize) -> None:
    """Check, before anything long is done, that a batch size can be found.

    Raises:
        UserError: auto in a run of several processes, which could find different sizes.
    """
    if size == "auto" and not is_alone():
        raise UserError("--batch_size auto runs in one process: give a number, such as --batch_size 16")


def with_batch_size(size: BatchSize, largest: int, work: Callable[[int], _Result]) -> _Result:
    """Call `work` with a batch size and return what it does.

    Args:
        size: how many items at a time, or `auto`: the first of `largest`, then nine tenths of that and so on,
            with which memory does not run out.
        largest: what auto begins with.
        work: may be called again with another size.

    Raises:
        UserError: as `check_batch_size`.
    """
    check_batch_size(size)
    if size != "auto":
        return work(size)
    search: Any = find_executable_batch_size(work, starting_batch_size=largest)
    result: _Result = search()
    return result
