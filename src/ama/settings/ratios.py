"""How averaging ratios are learned: which there are, what they minimise, how they are stepped or searched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Literal

from ama.errors import UserError
from ama.settings.base import Settings, option
from ama.settings.merging import Scope
from ama.settings.samples import LossOn
from ama.settings.sampling import SamplingSettings
from ama.settings.training import TrainerSettings

_LEVEL = re.compile(r"layerwise|linearwise|tensor|row|element|l?block([1-9][0-9]{0,5})")
FREE_LEVELS = ("tensor", "row", "element")
"""Mask levels that only free ratios have."""
JSON_NAME = "mask_alphas.json"
"""The readable record of learned ratios, beside them."""
_PIVOTS = re.compile(r"[0-9]{1,6}(#[0-9]{1,6})*")


class Approach(StrEnum):
    """How raw scalars become ratios."""

    NORMALIZED = "mask_norm_sigmoid_linear"
    SHIFTED = "mask_shift_sigmoid_linear"
    FREE = "free_sigmoid"


class Penalty(StrEnum):
    """The released names (sum_reg_type): 0 is the absolute value, 1 the square; .2 weighs by layer."""

    ABSOLUTE = "0"
    ABSOLUTE_WEIGHTED = "0.2"
    SQUARED = "1"
    SQUARED_WEIGHTED = "1.2"


def blocks_in_level(level: str) -> int | None:
    """Return the number of blocks of layers that a mask level names, None where it names none.

    Raises:
        UserError: unknown level.
    """
    match = _LEVEL.fullmatch(level)
    if match is None:
        raise UserError(
            f"mask_level '{level}' is unknown: give block3 (any blockK), layerwise, linearwise, lblock3, "
            "or for free ratios tensor, row or element"
        )
    return int(match[1]) if match[1] else None


@dataclass(frozen=True, kw_only=True)
class RatioFiles(Settings):
    """Models, data and result."""

    before: Path = option(help="model before RLHF (model_path0)", metavar="DIR")
    after: Path = option(help="model after RLHF (model_path)", metavar="DIR")
    data: Path = option(
        help="samples of after, LMFlow JSON: a file or a folder", metavar="PATH", aliases=("dataset_path",)
    )
    out: Path = option(help="folder for mask_alphas.bin", metavar="DIR", aliases=("output_dir",))
    overwrite: bool = option(False, "replace an earlier mask_alphas.bin, at the end")


@dataclass(frozen=True, kw_only=True)
class RatioSettings(Settings):
    """The ratios."""

    approach: Approach = option(
        Approach.NORMALIZED, "how raw scalars become ratios; free_sigmoid: without a fixed mean, by --price"
    )
    mask_level: str = option(
        "block3",
        "what shares a ratio: block3, any blockK, layerwise, linearwise, lblock3; free ones also tensor, row "
        "(what gives one output), element",
        metavar="LEVEL",
    )
    pivots: str = option(
        "", "last layer of each block but the last, in place of equal blocks", metavar="7#15"
    )
    scope: Scope = option(Scope.LINEAR, "linear: linear maps only; all: every parameter")
    mean_ratio: float = option(
        0.2, "mean of the ratios, which are weights of before", above=0, below=1, aliases=("init_val",)
    )
    start_ratio: float = option(0.3, "where free ratios start", above=0, below=1)
    epsilon: float = option(0.2, "the larger, the nearer the ratios stay to their mean", low=0)
    scale_lr_by_sharing: bool = option(True, "step each ratio by lr times the linear maps that it governs")

    def check(self) -> None:
        """Check how the model is divided."""
        blocks_in_level(self.mask_level)
        if self.mask_level in FREE_LEVELS and self.approach is not Approach.FREE:
            raise UserError(
                f"--mask_level {self.mask_level} is for free ratios: give --approach {Approach.FREE} with it"
            )
        if self.pivots and not _PIVOTS.fullmatch(self.pivots):
            raise UserError(f"--pivots '{self.pivots}' are no layer indices: write them as 7#15")

    @property
    def borders(self) -> tuple[int, ...]:
        """The pivots as layers; empty for equal blocks."""
        return tuple(map(int, self.pivots.split("#"))) if self.pivots else ()


@dataclass(frozen=True, kw_only=True)
class ObjectiveSettings(Settings):
    """What the ratios minimise: the loss on samples, on a retain set, and a penalty."""

    targets: Literal["sampled", "soft"] = option(
        "sampled",
        "what the average imitates: the samples' tokens, or its parents' next-token distributions",
    )
    teacher_top_k: int = option(
        0,
        "soft targets of so many likeliest tokens and the rest in one, computed once; 0: of all, each step",
        low=0,
    )
    price: tuple[float, ...] = option(
        (), "of before's side, for free ratios; several are walked from small to large", low=0
    )
    loss_on: LossOn = option(LossOn.TEXT, "text: every token, as released; response: replies only (Eq. 9)")
    block_size: int = option(512, "tokens in a block of data", low=2)
    retain_weight: float = option(0.0, "weight of the cross-entropy on a retain set", low=0)
    retain_data: tuple[Path, ...] = option((), "its texts; by default before's own samples", metavar="FILE")
    retain_samples: int = option(64, "how many samples of before to draw, at most", low=1)
    reg_alpha: float = option(1e-4, "weight of the penalty on ratio - mean_ratio", low=0)
    sum_reg_type: Penalty = option(
        Penalty.ABSOLUTE_WEIGHTED, "0: absolute, 1: squared; 0.2 and 1.2 weigh the middle layers most"
    )
    smooth_weight: float = option(
        0.0, "weight of the squared steps of the ratio from block to block, such as of layerwise", low=0
    )
    reward_model: Path | None = option(
        None, "minus its reward of sampled replies, in place of both losses (search only)", metavar="DIR"
    )
    reward_prompts: int = option(128, "how many of the samples' prompts to reply to", low=1)
    max_new_tokens: int = option(
        SamplingSettings.max_new_tokens, "of a reply whose reward is measured", low=1
    )

    def check(self) -> None:
        """Check the prices."""
        if any(low >= high for low, high in pairwise(self.price)):
            prices = " ".join(f"{price:g}" for price in self.price)
            raise UserError(f"--price {prices}: prices do not increase; the walk goes from small to large")


@dataclass(frozen=True, kw_only=True)
class RatioTrainingSettings(TrainerSettings):
    """How the ratios are trained."""

    lr: float = option(
        2e-5, "learning rate, per linear map that a ratio governs; of free ratios plain", above=0
    )
    beta2: float = option(0.999, "AdamW's, of the mean of squared gradients", low=0, below=1)
    micro_batch: int = option(
        1, "blocks at a time on each process", low=1, aliases=("per_device_train_batch_size",)
    )
    gradient_accumulation_steps: int = option(1, "times that many in a step", low=1)
    settle_tolerance: float = option(0.0, "stop when no ratio moves by more; 0: never", low=0, high=1)
    settle_window: int = option(20, "steps over which none must", low=1)
    bf16: bool = option(False, "load the weights in bfloat16; the ratios stay float32")
    save_steps: int = option(100, "steps between checkpoints to resume from", low=1)
    seed: int = option(0, "of the data's order, the retain samples, the search", low=0, high=2**32 - 1)


@dataclass(frozen=True, kw_only=True)
class SearchSettings(Settings):
    """The search without gradients, in place of Adam."""

    optimizer: Literal["adam", "search"] = option("adam", "search: CMA-ES")
    evaluations: int = option(100, "how many averages to measure, about", low=1)
