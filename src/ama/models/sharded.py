"""Parameters that DeepSpeed ZeRO-3 has divided over the ranks: their whole shape, and their whole values."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


def whole_shape(parameter: nn.Parameter) -> tuple[int, ...]:
    """Return the shape of a parameter; where only a share of it is here, the shape of the whole."""
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


@contextmanager
def gathered(parameters: Iterable[nn.Parameter], *, write: bool = False) -> Iterator[None]:
    """Let the block see whole parameters, whether they are divided over the ranks or not.

    Args:
        parameters: what the block uses.
        write: whether it changes them, alike on every rank.
    """
    divided: Any = [parameter for parameter in parameters if hasattr(parameter, "ds_id")]
    if not divided:
        yield
        return
    from deepspeed import zero

    with zero.GatheredParameters(divided, modifier_rank=0 if write else None):
        yield
