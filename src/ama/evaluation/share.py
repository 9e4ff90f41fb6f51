"""The processes of a launcher that share independent work, each of which works as if it were alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

_Value = TypeVar("_Value")
_RUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
# The others may have hours of work left.
_PATIENCE = timedelta(days=30)


class Share:
    """This process's part of the work.

    Attributes:
        number: which process this is, from 0.
        count: how many there are.
    """

    def __init__(self) -> None:
        """Read torchrun's variables; without them there is one process."""
        self.number, self.count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the block see one process and one GPU, this process's."""
        kept = {name: os.environ.pop(name) for name in _RUN if name in os.environ}
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if self.count > 1:
            own = int(kept.get("LOCAL_RANK", "0"))
            names = visible.split(",") if visible else [str(own)] * (own + 1)
            os.environ["CUDA_VISIBLE_DEVICES"] = names[own] if own < len(names) else ""
        try:
            yield
        finally:
            os.environ.update(kept)

    def gathered(self, value: _Value) -> list[_Value]:
        """Wait for all processes and return the values of all of them, in the order of their numbers.

        Args:
            value: can be pickled.
        """
        if self.count == 1:
            return [value]
        from torch import distributed

        distributed.init_process_group("gloo", timeout=_PATIENCE)
        values = [value] * self.count
        distributed.all_gather_object(values, value)
        distributed.destroy_process_group()
        return values
