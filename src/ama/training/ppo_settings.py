"""What PPO needs beside the settings of every training."""

import math
from dataclasses import dataclass

from ama.errors import UserError


@dataclass(frozen=True)
class PpoSettings:
    """What PPO needs beside the settings of every training, of which `batch` is the minibatch.

    Attributes:
        rollouts: replies sampled for one round, over all processes (paper, 512).
        rounds: how many; each gives `epochs` * rollouts / batch optimizer steps.
        kl_coef: weight of the KL divergence from the model before (paper, 0.05, 0.1, 0.2).
        temperature: of the sampling.
        max_new_tokens: of a reply.
        sample_batch: replies at a time on each process while sampling.
        baseline: subtracted from each reward (paper, 5.5625 with its reward model).
        missing_eos_penalty: subtracted from the reward of a reply that does not end, None for none.

    Raises:
        UserError: for a number outside its range.
    """

    rollouts: int = 512
    rounds: int = 100
    kl_coef: float = 0.05
    temperature: float = 1.0
    max_new_tokens: int = 128
    sample_batch: int = 64
    baseline: float = 0.0
    missing_eos_penalty: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("rollouts", "rounds", "temperature", "max_new_tokens", "sample_batch"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} {getattr(self, name)}: must be positive and finite")
        if not 0 <= self.kl_coef < math.inf or not math.isfinite(self.baseline):
            raise UserError(f"kl_coef {self.kl_coef}, baseline {self.baseline}: 0 or more, and finite")
