"""The settings of a mask optimisation, checked before anything is loaded."""

from dataclasses import dataclass

from ama.averaging.schedules.learned_ratios import Approach
from ama.averaging.schedules.schedule import Scope
from ama.errors import UserError
from ama.ratios.blocks import check_level
from ama.ratios.penalty import Penalty
from ama.settings.samples import LossOn


@dataclass(frozen=True)
class MaskSettings:
    """What decides the learned ratios, apart from models and data.

    Attributes:
        approach: how raw scalars become ratios.
        mask_level: which parameters share a ratio; see `ama.ratios.blocks`.
        pivots: last layer of each block but the last, in place of equal blocks; empty for these.
        scope: which parameters are averaged.
        init_val: mean of the ratios, in (0, 1).
        epsilon: of the normalised approach, 0 or more.
        reg_alpha: weight of the penalty, 0 or more.
        sum_reg_type: which penalty.
        loss_on: which tokens count.
        retain_weight: weight of the cross-entropy on the retain set, 0 for none.
        scale_lr_by_sharing: step each raw scalar by lr times the number of linear modules that it governs.

    Raises:
        UserError: a number outside its range.
    """

    approach: Approach = Approach.NORMALIZED
    mask_level: str = "block3"
    pivots: tuple[int, ...] = ()
    scope: Scope = Scope.LINEAR
    init_val: float = 0.2
    epsilon: float = 0.2
    reg_alpha: float = 1e-4
    sum_reg_type: Penalty = Penalty.ABSOLUTE_WEIGHTED
    loss_on: LossOn = LossOn.TEXT
    retain_weight: float = 0.0
    scale_lr_by_sharing: bool = True

    def __post_init__(self) -> None:
        """Check names and ranges."""
        check_level(self.mask_level)
        if not 0 < self.init_val < 1:
            raise UserError(f"--init_val {self.init_val} lies outside (0, 1): it is the mean of the ratios")
        for name in ("epsilon", "reg_alpha", "retain_weight"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise UserError(f"--{name} {value} is negative or not finite: give 0 or more")
