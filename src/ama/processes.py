"""The processes of a run: which one this is, joining the others, exchanging values, sharing work.

Two questions look alike. What a launcher (torchrun, accelerate launch, deepspeed) has started is known from
the beginning, by its variables: `launched`, `is_first`, `is_alone`. Which processes have joined to a group of
torch.distributed is known once a `join` function or a Trainer's arguments have joined them: `rank_and_size`,
and all that exchanges values. `MpiRanks` are the processes of a merge under mpirun.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ama.errors import UserError, os_error_text

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")

_LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_MPI_LAUNCHER = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")
# The others may have hours of work left.
_PATIENCE = timedelta(days=30)


def launched() -> tuple[int, int]:
    """Return this process's rank and how many a launcher has started; (0, 1) without one."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this process is the one that writes; true where there is only one."""
    return launched()[0] == 0


def is_alone() -> bool:
    """Tell whether no launcher has started other processes beside this one."""
    return launched()[1] == 1


def join() -> None:
    """Join the other processes, each on a GPU of its own or on the CPU; alone there is nothing to do."""
    if is_alone():
        return
    import torch
    from accelerate import PartialState
    from transformers.utils import logging

    # Several processes would write their bars over each other.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    quiet_deepspeed()
    # Without this accelerate takes a run on a machine without GPUs for one process.
    PartialState(cpu=not torch.accelerator.is_available())


def join_deepspeed(config: str | None) -> dict[str, bool]:
    """Join the processes of a run under DeepSpeed before its TrainingArguments are made.

    On CPUs accelerate would not do it by itself.

    Args:
        config: the DeepSpeed configuration, None for a run without it: then there is nothing to do.

    Returns:
        `accelerator_config` of the TrainingArguments.

    Raises:
        UserError: no launcher has started this process.
    """
    import torch

    if not config or torch.accelerator.is_available():
        return {}
    if "LOCAL_RANK" not in os.environ:
        raise UserError(
            f"--deepspeed {config}: start the run with deepspeed, accelerate launch or torchrun, not python"
        )
    from accelerate import PartialState

    # Told of the CPU, accelerate would train under DDP and leave DeepSpeed out without a word; told of
    # nothing, it would find no backend.
    os.environ.pop("ACCELERATE_USE_CPU", None)
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    PartialState(backend="gloo")
    return {"use_configured_state": True}


def quiet_deepspeed() -> None:
    """Tell DeepSpeed of the CPU: accelerate imports it wherever it is installed, and it would warn."""
    import torch

    if not torch.accelerator.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def own_device() -> torch.device:
    """Return the device of this process."""
    from accelerate import PartialState

    device: torch.device = PartialState().device
    return device


def rank_and_size() -> tuple[int, int]:
    """Return this process's rank in its group and how many have joined it; (0, 1) where there is no group."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def wait() -> None:
    """Wait until all processes of the group have come here."""
    if rank_and_size()[1] > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def broadcast(value: T) -> T:
    """Return the first process's value, which can be pickled, on every process of the group."""
    if rank_and_size()[1] == 1:
        return value
    from torch import distributed

    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def gather(value: T) -> list[T]:
    """Return the values of all processes of the group, which can be pickled, by rank, on each of them."""
    size = rank_and_size()[1]
    if size == 1:
        return [value]
    from torch import distributed

    values = [value] * size
    distributed.all_gather_object(values, value)
    return values


def gather_batches(own: Mapping[int, T]) -> dict[int, T]:
    """Return what all processes of the group have found, by the number of the batch, on each of them."""
    return {number: result for part in gather(own) for number, result in part.items()}


def sum_over_processes(value: Tensor, device: torch.device) -> Tensor:
    """Return the sum of the group's tensors, on each process, on the tensor's own device.

    Args:
        value: of the same shape and type on all processes; may be changed.
        device: that the processes exchange values by.
    """
    if rank_and_size()[1] == 1:
        return value
    from torch import distributed

    shared = value.to(device)
    distributed.all_reduce(shared)
    return shared.to(value.device)


@contextmanager
def as_if_alone() -> Iterator[None]:
    """Have the block see one process and one GPU, this process's, whatever a launcher has started.

    For independent work that the processes share by `launched`, each without a word to the others.
    """
    hidden = {name: os.environ.pop(name) for name in _LAUNCHER if name in os.environ}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if int(hidden.get("WORLD_SIZE", "1")) > 1:
        own = int(hidden.get("LOCAL_RANK", "0"))
        names = visible.split(",") if visible else [str(own)] * (own + 1)
        os.environ["CUDA_VISIBLE_DEVICES"] = names[own] if own < len(names) else ""
    try:
        yield
    finally:
        os.environ.update(hidden)


def gather_once(value: T) -> list[T]:
    """Join the processes of a launcher for one exchange: wait for all, and return their values by rank.

    Args:
        value: can be pickled.
    """
    if is_alone():
        return [value]
    from torch import distributed

    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        return gather(value)
    finally:
        distributed.destroy_process_group()


def free_trainer() -> None:
    """Free what a training has left, so that models are loaded whole and another trainer can be made."""
    import torch
    from accelerate.state import AcceleratorState, GradientState

    leave_deepspeed()
    AcceleratorState._reset_state()
    GradientState._reset_state()
    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()


def leave_deepspeed() -> None:
    """Let models be loaded whole again after a training under ZeRO-3."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()  # type: ignore[no-untyped-call]


class MpiRanks:
    """The processes that share a merge: one by default, several under mpirun.

    Attributes:
        rank: 0 to size - 1; rank 0 makes the folder, writes the index and speaks to the user.
        size: number of processes.
    """

    def __init__(self) -> None:
        """Join the other ranks if an MPI launcher started this process."""
        self._comm: Any = None
        self.rank, self.size = 0, 1
        if any(name in os.environ for name in _MPI_LAUNCHER):
            from mpi4py import MPI

            self._comm = MPI.COMM_WORLD
            self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()

    def gather(self, value: T) -> list[T]:
        """Return every rank's value, in rank order, on every rank."""
        return [value] if self._comm is None else list(self._comm.allgather(value))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run a block on every rank and wait for all; a UserError or OSError on one is a UserError on all.

        Without it a rank would wait for ever for one that has failed. SystemExit, as of --help, goes through.
        """
        message = None
        try:
            yield
        except SystemExit:
            raise
        except UserError as error:
            message = str(error)
        except OSError as error:
            message = os_error_text(error)
        except BaseException:
            if self.size == 1:
                raise
            traceback.print_exc(file=sys.stderr)
            self._comm.Abort(1)
        messages = [text for text in self.gather(message) if text is not None]
        if messages:
            raise UserError(messages[0])
