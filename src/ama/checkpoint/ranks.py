"""The processes that share a merge: one by default, several under mpirun."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ama.errors import UserError, os_error_text

_LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")
T = TypeVar("T")


class Ranks:
    """This process's rank among those that run the same merge.

    Attributes:
        rank: 0 to size - 1; rank 0 makes the folder, writes the index and speaks to the user.
        size: number of processes.
    """

    def __init__(self) -> None:
        """Join the other ranks if an MPI launcher started this process."""
        self._comm: Any = None
        self.rank, self.size = 0, 1
        if any(name in os.environ for name in _LAUNCHED):
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
