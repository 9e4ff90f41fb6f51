"""What decides a training of the RLHF stage, apart from model and data."""

import math
from dataclasses import dataclass
from pathlib import Path

from ama.errors import UserError
from ama.processes import launched


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters in place of whole weights (paper, section 4); they are merged at the end.

    Attributes:
        r: rank, 1 or more.
        alpha: the adapters are scaled by alpha / r.
        dropout: before the adapters, in [0, 1).
        modules: `all` linear maps but the head, `mlp`, `attention`, or names with commas between them.

    Raises:
        UserError: for a number outside its range.
    """

    r: int
    alpha: float = 32.0
    dropout: float = 0.05
    modules: str = "all"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.r < 1 or not 0 < self.alpha < math.inf or not 0 <= self.dropout < 1:
            raise UserError(
                f"lora_r {self.r}, lora_alpha {self.alpha}, lora_dropout {self.dropout}: "
                "the rank is 1 or more, alpha positive, and dropout in [0, 1)"
            )


@dataclass(frozen=True)
class RemedySettings:
    """The remedies that the paper compares with averaging (section 4); 0 is off.

    Attributes:
        l1: weight of the sum over the parameters of |p - p0|, where p0 is before's.
        l2: weight of the sum of (p - p0)^2.
        distill: weight of ||pi - pi0||^2, the squared distance of the next-token distributions.
        replay_weight: weight of the cross-entropy on general text.
        replay: files of that text.
        replay_block: tokens of a block of it.
        ema: share of the old average in a moving average of the weights after each step, in [0, 1); the
            average is the result in place of the last weights.

    Raises:
        UserError: a number outside its range, or replay without files or the other way round.
    """

    l1: float = 0.0
    l2: float = 0.0
    distill: float = 0.0
    replay_weight: float = 0.0
    replay: tuple[Path, ...] = ()
    replay_block: int = 128
    ema: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("l1", "l2", "distill", "replay_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"{name} {getattr(self, name)}: must be 0 or more, and finite")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema {self.ema} lies outside [0, 1): it is the share of the old average")
        if bool(self.replay) != bool(self.replay_weight):
            raise UserError("--replay needs --replay_weight above 0, and the other way round: give both")

    @property
    def needs_before(self) -> bool:
        """Whether a term needs the model before RLHF beside the one that is trained."""
        return bool(self.l1 or self.l2 or self.distill)


@dataclass(frozen=True)
class StageSettings:
    """The hyperparameters that all trainings of the RLHF stage share.

    Attributes:
        lr: peak learning rate of AdamW; rises over `warmup`, falls along a cosine to 0.
        epochs: passes over the data.
        max_steps: optimizer steps; if given, instead of `epochs`.
        batch: examples in an optimizer step, over all processes.
        micro_batch: examples at a time on each process; `batch` is made up of several.
        warmup: share of the steps, in [0, 1).
        weight_decay: AdamW's.
        seed: of the order of the data, of fresh weights and of dropout.
        bf16: compute in bfloat16; weights and optimizer stay float32.
        gradient_checkpointing: recompute activations, to save memory.
        deepspeed: DeepSpeed configuration, None to run without.
        save_steps: steps between two checkpoints to resume from.
        lora: adapters to train in place of the weights, None to train all.
        remedies: terms of the loss that hold the model near before.

    Raises:
        UserError: for a number outside its range.
    """

    lr: float
    epochs: float
    batch: int
    micro_batch: int = 4
    max_steps: int | None = None
    warmup: float = 0.03
    weight_decay: float = 0.0
    seed: int = 0
    bf16: bool = False
    gradient_checkpointing: bool = False
    deepspeed: Path | None = None
    save_steps: int = 500
    lora: LoraSettings | None = None
    remedies: RemedySettings = RemedySettings()

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("lr", "epochs", "batch", "micro_batch", "save_steps"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} {getattr(self, name)}: must be positive and finite")
        if self.max_steps is not None and self.max_steps < 1:
            raise UserError(f"max_steps {self.max_steps}: must be 1 or more")
        if not 0 <= self.warmup < 1:
            raise UserError(f"warmup {self.warmup}: a share of the steps lies in [0, 1)")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed {self.seed}: must lie between 0 and 4294967295")

    def split_batch(self) -> tuple[int, int]:
        """Return how many examples at a time each process takes, and how often in an optimizer step.

        Raises:
            UserError: the batch is no multiple of the processes, or of what they take at a time.
        """
        processes = launched()[1]
        share, rest = divmod(self.batch, processes)
        if rest:
            raise UserError(f"batch {self.batch} can't be shared by {processes} processes: give a multiple")
        micro = min(self.micro_batch, share)
        if share % micro:
            raise UserError(
                f"a process's share of the batch, {share}, is no multiple of micro_batch {micro}: change one"
            )
        return micro, share // micro
