"""Ratio schedules: which weight the model before RLHF gets at each site."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import filter as matching
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from ama.averaging.methods import check_ratio
from ama.averaging.sites import Part, Site
from ama.checkpoint.names import layer_of, stored_patterns
from ama.errors import UserError
from ama.settings.merging import Method, Scope

if TYPE_CHECKING:
    from ama.averaging.schedules.ratio_tensors import RatioTensors

ONLY_BEFORE = 1.0
"""The ratio that takes a tensor from the model before RLHF unchanged."""


@dataclass(frozen=True)
class Schedule:
    """A ratio for each site, and how two tensors are mixed by it.

    Attributes:
        ratio: alpha, in [0, 1]: the final norm's, the head's and, without pivots, every site's ratio.
        pivots: last layer of each block but the last, included and increasing; empty for plain averaging.
        ratios: one ratio per block, in [0, 1]; one more than pivots, empty for plain averaging.
        lm_head: the head's ratio where it differs from `ratio`.
        modules: ratio by glob pattern of module names; the last pattern that matches decides.
        scope: `all`, or `linear` to average linear maps only (a tied table then takes the head's ratio).
        extrapolate: allow ratios outside the method's range, as learned ones can be.
        method: how two tensors are mixed by a ratio.
        learned: the modules, by their names in memory, that ratios were learned for; empty where a person
            chose the ratios. The model must have just these.
        tensors: free ratios, one or more for each averaged tensor, which take the place of all others;
            `ratio` is then their mean.

    Raises:
        UserError: a ratio outside the range, pivots that do not increase, or a wrong number of ratios.
    """

    ratio: float
    pivots: tuple[int, ...] = ()
    ratios: tuple[float, ...] = ()
    lm_head: float | None = None
    modules: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    scope: Scope = Scope.ALL
    extrapolate: bool = False
    method: Method = Method.LINEAR
    learned: tuple[str, ...] = field(default=(), compare=False)
    tensors: "RatioTensors | None" = None

    def __post_init__(self) -> None:
        """Check the numbers against each other."""
        head = () if self.lm_head is None else (self.lm_head,)
        for value in (self.ratio, *self.ratios, *head, *self.modules.values()):
            if not self.extrapolate:
                check_ratio(value, self.method)
        blocks = len(self.pivots) + 1
        if (self.pivots or self.ratios) and len(self.ratios) != blocks:
            raise UserError(
                f"{len(self.pivots)} pivots make {blocks} blocks, but {len(self.ratios)} ratios were given"
            )
        if any(low >= high for low, high in zip(self.pivots, self.pivots[1:], strict=False)):
            raise UserError(
                f"pivots {'#'.join(map(str, self.pivots))} do not increase: each ends a block of layers"
            )

    @property
    def is_uniform(self) -> bool:
        """Whether every averaged site has the same ratio (plain averaging, MA)."""
        special = self.lm_head is not None and self.lm_head != self.ratio
        return not self.pivots and not self.modules and not special and self.tensors is None

    def check(self, sites: Sequence[Site], num_layers: int) -> None:
        """Check that the schedule fits a model.

        Args:
            sites: every parameter of the model.
            num_layers: L.

        Raises:
            UserError: a pivot lies too deep, or the ratios were learned for a model of other modules.
        """
        if self.learned:
            self._check_modules({site.module: site for site in sites})
        if self.tensors is not None:
            self.tensors.check(sites, self.scope)
        self.check_depth(num_layers)

    def _check_modules(self, found: Mapping[str, Site]) -> None:
        governed = set()
        for name in self.learned:
            matches = [
                module
                for pattern in stored_patterns(name)
                for module in ([pattern] if pattern in found else matching(found, pattern))
            ]
            if not matches and layer_of(name) is not None:
                raise UserError(
                    f"the mask is of another model: it has a ratio for '{name}', which before lacks"
                )
            governed.update(matches)
        for module, site in found.items():
            if site.linear and site.layer is not None and module not in governed:
                raise UserError(f"the mask is of another model: it has no ratio for '{module}' of before")

    def check_depth(self, num_layers: int) -> None:
        """Raise UserError if a pivot leaves no layer of a model of `num_layers` layers for the last block."""
        if self.pivots and self.pivots[-1] >= num_layers - 1:
            raise UserError(
                f"pivot {self.pivots[-1]} leaves no layer for the last block: the model's layers are "
                f"0 to {num_layers - 1}, so the last pivot may be {num_layers - 2} at most"
            )

    def block_of(self, layer: int) -> int:
        """Return the index of the block of `layer`; pivots are included: 0-10, 11-20, 21-last for 10#20."""
        return bisect_left(self.pivots, layer)

    def ratio_at(self, site: Site) -> float:
        """Return the ratio of one site, in [0, 1], or the mean of its own; embeddings go with block 0."""
        if self.scope is Scope.LINEAR and not site.linear:
            return ONLY_BEFORE
        if self.tensors is not None:
            return self.tensors.means[site.name]
        for pattern, ratio in reversed(list(self.modules.items())):
            if fnmatchcase(site.module, pattern):
                return ratio
        if site.layer is not None:
            return self._block_ratio(self.block_of(site.layer))
        if site.part is Part.EMBEDDING and not (site.tied and self.scope is Scope.LINEAR):
            return self._block_ratio(0)
        if site.part is Part.FINAL_NORM or self.lm_head is None:
            return self.ratio
        return self.lm_head

    def _block_ratio(self, block: int) -> float:
        return self.ratios[block] if self.ratios else self.ratio
