"""Learned ratios of a model, as a schedule that a merge can follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from ama.averaging.schedules.normalization import normalized_ratios, shifted_ratios
from ama.averaging.schedules.schedule import Schedule
from ama.checkpoint.names import layer_of, stored_patterns
from ama.errors import UserError
from ama.settings.merging import Scope
from ama.settings.ratios import Approach

_HEAD = "lm_head"


@dataclass(frozen=True)
class LearnedMask:
    """Learned ratios of a model, enough to merge it.

    Attributes:
        raw: s_k of each block, shape (n,), float32.
        labels: each block's key.
        modules: block of each learned module by name.
        mean: init_val, the mean of the ratios.
        epsilon: of the normalisation.
        approach: how raw scalars become ratios.
        scope: which parameters are averaged.
    """

    raw: Tensor
    labels: tuple[str, ...]
    modules: Mapping[str, int]
    mean: float
    epsilon: float
    approach: Approach
    scope: Scope

    def ratios(self, mean: float | None = None) -> list[float]:
        """Return the ratios, one per block, for the trained mean or another in [0, 1]."""
        mean = self.mean if mean is None else mean
        raw = self.raw.double()
        if self.approach is Approach.NORMALIZED:
            return [float(ratio) for ratio in normalized_ratios(raw, mean, self.epsilon)]
        if mean in (0, 1):
            return [mean] * len(self.labels)
        return [float(ratio) for ratio in shifted_ratios(raw, mean)]

    def schedule(self, mean: float | None = None, *, extrapolate: bool = False) -> Schedule:
        """Return the ratios as a schedule: by blocks of layers where they are such, else by module.

        Args:
            mean: re-normalise the learned pattern to this mean; by default the trained one.
            extrapolate: allow ratios above 1.

        Raises:
            UserError: a ratio lies above 1 and `extrapolate` is off.
        """
        mean = self.mean if mean is None else mean
        ratios = self.ratios(mean)
        above = max(ratios)
        if above > 1 and not extrapolate:
            raise UserError(
                f"at mean {mean} a learned ratio is {above:.3f}, beyond before: lower --mean_ratio, "
                "raise epsilon in training, or allow it with --allow_extrapolation"
            )
        head = ratios[self.labels.index(_HEAD)] if _HEAD in self.labels else None
        in_layers = {name: block for name, block in self.modules.items() if layer_of(name) is not None}
        runs = _runs_of_layers(in_layers)
        blocks, pivots = runs or ((), ())
        patterns = {
            pattern: ratios[block]
            for name, block in in_layers.items()
            for pattern in stored_patterns(name)
            if runs is None
        }
        return Schedule(
            mean,
            pivots,
            tuple(ratios[block] for block in blocks),
            head,
            patterns,
            self.scope,
            extrapolate,
            learned=tuple(self.modules),
        )


def _runs_of_layers(in_layers: Mapping[str, int]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return blocks and pivots if every block is a run of whole layers, else None."""
    found: dict[int, set[int]] = {}
    for name, block in in_layers.items():
        found.setdefault(layer_of(name) or 0, set()).add(block)
    if any(len(blocks) > 1 for blocks in found.values()):
        return None
    order = [next(iter(found[layer])) for layer in sorted(found)]
    pivots = tuple(layer for layer, pair in enumerate(pairwise(order)) if pair[0] != pair[1])
    blocks = tuple(order[0 if start is None else start + 1] for start in (None, *pivots))
    return (blocks, pivots) if len(set(blocks)) == len(blocks) > 1 else None
