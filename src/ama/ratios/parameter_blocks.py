"""Which parameters share a learned ratio: mask levels, from three blocks of layers to every linear map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ama.averaging.schedules.schedule import Schedule
from ama.averaging.sites import Part, Site
from ama.errors import UserError
from ama.settings.merging import Scope
from ama.settings.ratios import blocks_in_level


@dataclass(frozen=True)
class ParameterBlocks:
    """The blocks whose ratios are learned.

    Attributes:
        labels: name of each block: its number, its layer's index, its module's name, or `lm_head`.
        index: block of each learned parameter by name; an averaged parameter without one keeps the mean
            ratio.
        linears: for each block, the layer of every linear module that it governs; the head counts as layer L.
        pivots: last layer of each block but the last; None where every module is a block.
        scope: which parameters are averaged.
    """

    labels: tuple[str, ...]
    index: Mapping[str, int]
    linears: tuple[tuple[int, ...], ...]
    pivots: tuple[int, ...] | None
    scope: Scope

    def schedule(self, ratios: Sequence[float], mean: float, *, extrapolate: bool = False) -> Schedule:
        """Return the learned ratios as a schedule, which the merge follows.

        Args:
            ratios: one per block.
            mean: the ratio of averaged parameters that no block governs.
            extrapolate: allow ratios outside [0, 1].
        """
        if self.pivots is None:
            return Schedule(
                mean,
                modules=dict(zip(self.labels, ratios, strict=True)),
                scope=self.scope,
                extrapolate=extrapolate,
            )
        count = len(self.pivots) + 1
        head = ratios[count] if len(ratios) > count else None
        return Schedule(
            mean, self.pivots, tuple(ratios[:count]), head, scope=self.scope, extrapolate=extrapolate
        )


def block_pivots(num_layers: int, count: int) -> tuple[int, ...]:
    """Return the last layer of each block but the last, borders at floor(i * L / K): 7#16 for L = 26, K = 3.

    Raises:
        UserError: more blocks than layers.
    """
    if count > num_layers:
        raise UserError(
            f"{count} blocks do not fit a model of {num_layers} layers: choose {num_layers} at most"
        )
    return tuple(i * num_layers // count - 1 for i in range(1, count))


def parameter_blocks(
    level: str,
    sites: Mapping[str, Site],
    num_layers: int,
    scope: Scope,
    pivots: Sequence[int] | None = None,
) -> ParameterBlocks:
    """Divide a model into the blocks of a mask level.

    Args:
        level: `block3` or any `blockK`, `layerwise`, `linearwise`, or `lblock3` and any `lblockK`, whose
            head is a further block of its own.
        sites: every parameter of the model.
        num_layers: L.
        scope: which parameters are averaged.
        pivots: last layer of each block but the last, in place of equal blocks; `blockK` and `lblockK` only.

    Raises:
        UserError: unknown level, more blocks than layers, or pivots that do not fit level or depth.
    """
    blocks = blocks_in_level(level)
    averaged = [site for site in sites.values() if site.linear or scope is Scope.ALL]
    if level == "linearwise":
        if pivots:
            raise UserError("--pivots divides layers into blocks: it does not go with mask_level linearwise")
        labels = tuple(dict.fromkeys(site.module for site in averaged if site.layer is not None))
        index = {site.name: labels.index(site.module) for site in averaged if site.layer is not None}
        return ParameterBlocks(
            labels,
            index,
            _linears(averaged, index, len(labels), num_layers),
            None,
            scope,
        )
    ends = _pivots(level, blocks, num_layers, pivots)
    schedule = Schedule(0.0, ends, (0.0,) * (len(ends) + 1))
    schedule.check_depth(num_layers)
    count = len(ends) + 1
    labels = tuple(str(block) for block in range(count))
    if level.startswith("lblock"):
        labels += ("lm_head",)
    index = {}
    for site in averaged:
        if site.layer is not None:
            index[site.name] = schedule.block_of(site.layer)
        elif site.part is Part.HEAD or (site.tied and scope is Scope.LINEAR):
            if len(labels) > count:
                index[site.name] = count
        elif site.part is Part.EMBEDDING:
            index[site.name] = 0
    return ParameterBlocks(labels, index, _linears(averaged, index, len(labels), num_layers), ends, scope)


def _pivots(level: str, count: int | None, num_layers: int, pivots: Sequence[int] | None) -> tuple[int, ...]:
    blocks = count or num_layers
    if not pivots:
        return block_pivots(num_layers, blocks)
    if count is None or len(pivots) != blocks - 1:
        raise UserError(
            f"--pivots {'#'.join(map(str, pivots))} does not fit mask_level {level}: K blocks have K - 1"
        )
    return tuple(pivots)


def _linears(
    averaged: Sequence[Site], index: Mapping[str, int], count: int, num_layers: int
) -> tuple[tuple[int, ...], ...]:
    modules = {
        site.module: (
            index[site.name],
            num_layers if site.layer is None else site.layer,
        )
        for site in averaged
        if site.linear and site.name in index
    }
    return tuple(
        tuple(layer for block, layer in modules.values() if block == wanted) for wanted in range(count)
    )
