"""The processes of an evaluation under torchrun or accelerate launch: joining them, and being of one mind."""

from __future__ import annotations

import os
from typing import TypeVar

_Value = TypeVar("_Value")


def is_first() -> bool:
    """Tell whether this process is the one that writes; true where there is only one."""
    return int(os.environ.get("RANK", "0")) == 0


def is_alone() -> bool:
    """Tell whether no launcher has started other processes beside this one."""
    return int(os.environ.get("WORLD_SIZE", "1")) == 1


def join_run() -> None:
    """Join the other processes, each on a GPU of its own or on the CPU; alone there is nothing to do."""
    if is_alone():
        return
    import torch
    from accelerate import PartialState

    from ama.models import quiet

    quiet()
    # Without this accelerate takes a run on a machine without GPUs for one process.
    PartialState(cpu=not torch.accelerator.is_available())


def agreed(value: _Value) -> _Value:
    """Return the first process's value on every process that has joined the run.

    Args:
        value: can be pickled.
    """
    if is_alone():
        return value
    from torch import distributed

    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]
