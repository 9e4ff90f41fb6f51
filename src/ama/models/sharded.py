"""Parameters that DeepSpeed ZeRO-3 has divided over the ranks: the shares, the whole shape and values."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, distributed, nn


def whole_shape(parameter: Tensor) -> tuple[int, ...]:
    """Return the shape of a parameter; where only a share of it is here, the shape of the whole."""
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


def is_divided(parameter: Tensor) -> bool:
    """Return whether only a share of the parameter is on this rank."""
    return hasattr(parameter, "ds_id")


def own_share(parameter: nn.Parameter) -> Tensor:
    """Return this rank's values of a parameter: all of it, or its share as a flat tensor."""
    if not is_divided(parameter):
        return parameter.detach()
    divided: Any = parameter
    size = int(divided.ds_tensor.numel())
    # The last shares are filled up to the size of the others.
    there = min(max(divided.ds_numel - distributed.get_rank(divided.ds_process_group) * size, 0), size)
    share: Tensor = divided.ds_tensor.detach()[:there]
    return share


def set_own_share(parameter: nn.Parameter, values: Tensor) -> None:
    """Write this rank's values of a parameter, of the shape of `own_share`; called on every rank."""
    divided: Any = parameter
    if is_divided(parameter):
        # DeepSpeed keeps small parameters whole between the steps, and would not look at the shares again.
        divided.partition()
    own_share(parameter).copy_(values)


@contextmanager
def gathered(parameters: Iterable[nn.Parameter], *, write: bool = False) -> Iterator[None]:
    """Let the block see whole parameters, whether they are divided over the ranks or not.

    Args:
        parameters: what the block uses.
        write: whether it changes them, alike on every rank.
    """
    divided: Any = [parameter for parameter in parameters if is_divided(parameter)]
    if not divided:
        yield
        return
    from deepspeed import zero

    with zero.GatheredParameters(divided, modifier_rank=0 if write else None):
        yield
