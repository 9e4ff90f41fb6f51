"""Free ratios on disk: for each price a folder of ratio tensors, named as the tensors that they mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ama.averaging.schedules.schedule import Schedule
from ama.averaging.sites import Site
from ama.checkpoint.folder import read_json, read_weights
from ama.checkpoint.names import LAYER
from ama.checkpoint.tensors import StoredTensor
from ama.errors import UserError
from ama.settings.merging import Scope
from ama.settings.ratios import JSON_NAME


@dataclass(frozen=True)
class RatioTensors:
    """The ratios of one price, as a merge reads them: each is streamed beside the tensor that it mixes.

    Attributes:
        level: what has a ratio: a mask level, such as `row` or `element`.
        price: of before's side of the objective.
        digest: XXH3-128 of the ratios; tells these from others.
        tensors: by the model's tensor; the shape is that of the tensor, or broadcasts to it.
        means: the mean ratio of each tensor.
    """

    level: str
    price: float
    digest: str
    tensors: Mapping[str, StoredTensor] = field(repr=False, compare=False)
    means: Mapping[str, float] = field(repr=False, compare=False)

    def check(self, sites: Sequence[Site], scope: Scope) -> None:
        """Check that there are ratios for all tensors that are averaged, and for no others.

        Raises:
            UserError: the ratios are of another model; names a tensor.
        """
        averaged = {site.name for site in sites if site.linear or scope is Scope.ALL}
        for name in sorted(self.tensors.keys() - averaged):
            raise UserError(f"the ratios are of another model: they have '{name}', which before lacks")
        for name in sorted(averaged - self.tensors.keys()):
            raise UserError(f"the ratios are of another model: they lack '{name}' of before")

    def of(self, name: str, shape: tuple[int, ...]) -> StoredTensor:
        """Return the ratios of a tensor.

        Raises:
            UserError: they were learned for a tensor of another shape.
        """
        found = self.tensors[name]
        if not fits(found.shape, shape):
            raise UserError(
                f"the ratios are of another model: those of '{name}' have shape {list(found.shape)}, "
                f"and the tensor {list(shape)}"
            )
        return found


def fits(ratios: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Tell whether ratios of a shape are one, one a row, one a column or one an element of a tensor."""
    one, row, column = (), (*shape[:-1], 1), (1,) * (len(shape) - 1) + shape[-1:]
    return ratios in (one, shape) or (len(shape) > 1 and ratios in (row, column))


def price_folder(folder: Path, price: float) -> Path:
    """Return the folder of a price's ratio tensors: `price-0.1`."""
    return folder / f"price-{price_text(price)}"


def price_text(price: float) -> str:
    """Write a price as folders and records name it: `0.1`."""
    return f"{price:.12g}"


def read_ratio_tensors(folder: Path, price: float | None = None) -> Schedule:
    """Read free ratios of one price; their values stay in their files.

    Args:
        folder: where `ama.optimize_masks --approach free_sigmoid` wrote them.
        price: which; None where there is one only.

    Raises:
        UserError: missing or malformed, or a price that they were not learned at.
    """
    held = read_json(folder / JSON_NAME)
    try:
        prices = {float(key): entry for key, entry in held["prices"].items()}
        known = ", ".join(map(price_text, prices))
        if price is None and len(prices) > 1:
            raise UserError(
                f"{folder} holds ratios of prices {known}: choose one, by --price, or as a schedule "
                f"{folder}@price={price_text(min(prices))}"
            )
        price = next(iter(prices)) if price is None else price
        if price not in prices:
            raise UserError(f"{folder} holds no ratios of price {price_text(price)}: give one of {known}")
        entry = prices[price]
        found = read_weights(price_folder(folder, price), "model.safetensors", "model.bin")
        means = {str(name): float(mean) for name, mean in entry["means"].items()}
        if means.keys() != found.keys():
            raise ValueError("its tensors are not those of the price's folder")
        ratios = RatioTensors(str(held["mask_level"]), price, str(entry["xxh3_128"]), found, means)
        return Schedule(float(entry["mean"]), scope=Scope(held["scope"]), tensors=ratios)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{folder / JSON_NAME} is no record of free ratios ({error!r}): learn them again"
        ) from error


def means_by_module(means: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Return mean ratios as a table: by layer (its index, or the tensor outside the layers) and module.

    Args:
        means: the mean ratio of each tensor.
        sizes: how many elements it has.
    """
    sums: dict[str, dict[str, tuple[float, int]]] = {}
    for name, mean in means.items():
        match = LAYER.match(name)
        row, column = (match["layer"], name[match.end() :]) if match else ("-", name)
        column = column.removesuffix(".weight")
        total, size = sums.setdefault(row, {}).get(column, (0.0, 0))
        sums[row][column] = (total + mean * sizes[name], size + sizes[name])
    return {
        row: {column: total / size for column, (total, size) in found.items()} for row, found in sums.items()
    }


def record_of_tensors(ratios: RatioTensors) -> dict[str, Any]:
    """Return what identifies the ratios, as JSON can hold it."""
    return {"level": ratios.level, "price": ratios.price, "xxh3_128": ratios.digest}
