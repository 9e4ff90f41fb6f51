"""What an experiment is planned for: the sizes of its model, its schedules, its stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ama.settings.base import Settings, option

_WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, kw_only=True)
class ModelSize(Settings):
    """The model's sizes."""

    params: float = option(help="the model's parameters, such as 7.24e9", metavar="N", above=0)
    layers: int = option(help="its transformer layers", low=1)
    hidden: int = option(help="its width", low=1)
    vocab: int = option(help="tokens of its vocabulary", low=1)
    # Below the width where queries share keys.
    key_width: int | None = option(None, "heads of keys times their width; by default --hidden", low=1)
    dtype: Literal["float32", "bfloat16", "float16"] = option("bfloat16", "of its checkpoints")

    @property
    def width(self) -> int:
        """Bytes of a weight as it is stored."""
        return _WIDTHS[self.dtype]

    @property
    def weights(self) -> float:
        """Bytes of a checkpoint."""
        return self.params * self.width

    @property
    def keys(self) -> int:
        """Numbers in a layer's key of one token."""
        return self.key_width or self.hidden


@dataclass(frozen=True, kw_only=True)
class PlanSettings(Settings):
    """The experiment: what is checked, and what is estimated."""

    ratios: tuple[str, ...] = option((), "ratios to check", metavar="RATIO")
    part_wise: tuple[str, ...] = option((), "part-wise schedules to check", metavar="TAG@RATIO")
    stage: tuple[str, ...] = option((), "a stage's command line", metavar="NAME=COMMAND", repeated=True)
    stages: Path | None = option(None, "stages, one a line, - for standard input", metavar="FILE")
