"""Merge methods: how two tensors are mixed by a ratio, one module each, of the names in `Method`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ama.errors import UserError
from ama.settings.merging import Method

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MergeMethod:
    """What a method's module declares as its METHOD.

    Attributes:
        formula: for records and model cards.
        mix: writes the mixture of two flat chunks into the first of four arguments: out, before, after, all
            of shape (n,) and any floating dtypes, and the ratio; the fifth is what `sums` added up, or None.
            A ratio is a number, or, of a method `by_element`, a tensor that broadcasts to (rows, n / rows).
        sums: first pass over a tensor, for methods that need all of it: returns float64 numbers of two flat
            chunks, which are added up over the chunks. None: each element is mixed on its own, in one pass.
        low: least ratio.
        high: greatest ratio.
        recipe: returns mergekit's configuration, without its dtype, from the names of both models and the
            ratio of each filter; None where mergekit has no such method.
        by_element: whether elements of one tensor may have ratios of their own.
    """

    formula: str
    mix: Callable[[Tensor, Tensor, Tensor, Any, Tensor | None], None]
    sums: Callable[[Tensor, Tensor], Tensor] | None = None
    low: float = 0.0
    high: float = 1.0
    recipe: Callable[[str, str, Mapping[str, float]], dict[str, Any]] | None = None
    by_element: bool = False


def load_method(name: Method) -> MergeMethod:
    """Return a method; its module is imported now."""
    method: MergeMethod = import_module(f"ama.averaging.methods.{name}").METHOD
    return method


def check_ratio(ratio: float, method: Method, shown: str = "") -> None:
    """Check that a ratio lies in a method's range.

    Args:
        ratio: weight of the model before RLHF.
        method: how it will be used.
        shown: the ratio as it was written.

    Raises:
        UserError: it does not; names the method that takes it, if there is one.
    """
    # Every method takes these, and none need be loaded.
    if 0 <= ratio <= 1:
        return
    methods = {name: load_method(name) for name in Method}
    takers = [name for name, one in methods.items() if one.low <= ratio <= one.high]
    if method in takers:
        return
    own = methods[method]
    way = f"; --method {takers[0]} takes it" if takers else ""
    raise UserError(
        f"ratio {shown or ratio} lies outside [{own.low:g}, {own.high:g}]: "
        f"it is the weight of the model before RLHF{way}"
    )


def by_filter(values: Mapping[str, float]) -> Any:
    """Write a mergekit parameter: one number where all are equal, else a list of conditions."""
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return [{"filter": name, "value": value} for name, value in values.items()]
