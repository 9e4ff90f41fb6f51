"""What is measured, where the rows go, and what a sweep is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ama.errors import UserError
from ama.settings.base import Settings, option
from ama.settings.merging import Scope

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True)
class SubjectSettings(Settings):
    """What is measured: models, or averages that are made in memory."""

    models: tuple[str, ...] = option(
        (),
        "what to measure: folders, hub ids, LoRA adapters (merged into their base in memory)",
        metavar="MODEL",
    )
    before: str | None = option(None, "or averages made in memory: the model before RLHF,", metavar="MODEL")
    after: str | None = option(
        None, "the model after RLHF, which may be a LoRA adapter on before,", metavar="MODEL"
    )
    schedule: tuple[str, ...] = option(
        (),
        "and a schedule for each average: a ratio, split tag, YAML file or mask_alphas.bin",
        metavar="S",
    )
    ratio: float | None = option(
        None,
        "final norm's and head's ratio of split tags; mean of learned ratios",
        metavar="RATIO",
        low=0,
        high=1,
        aliases=("alpha",),
    )
    scope: Scope = option(
        Scope.ALL,
        "linear: average linear maps only, take all else from before; learned ratios have their own",
    )


@dataclass(frozen=True, kw_only=True)
class ScoringSettings(Settings):
    """Where the rows go, and in which type the weights are loaded."""

    scores: Path = option(help="file of scores to append to", metavar="FILE")
    rerun: bool = option(False, "measure again what was measured before")
    dtype: Dtype = option("auto", "of the weights; auto: the checkpoint's own")


@dataclass(frozen=True, kw_only=True)
class SweepSettings(Settings):
    """The models, their averages, and what is measured of each."""

    before: str = option(help="the model before RLHF: folder or hub id", metavar="MODEL")
    after: str = option(help="the model after RLHF, or a LoRA adapter on before", metavar="MODEL")
    curve: tuple[tuple[str, ...], ...] = option(
        (),
        "a method's name, then the schedules of its averages; may be given several times",
        metavar="NAME S",
        repeated=True,
    )
    measure: tuple[str, ...] = option(
        (),
        "what to measure, in one word; may be given several times; 'KIND --help' lists the options",
        metavar="'KIND OPTIONS'",
        repeated=True,
    )
    out: Path = option(help="for scores and report", metavar="DIR")
    scope: Scope = option(Scope.ALL, "linear: average linear maps only")
    dtype: Dtype = option("auto", "of the weights that are measured")
    rerun: bool = option(False, "measure again what was measured before")

    @property
    def curves(self) -> dict[str, tuple[str, ...]]:
        """The schedules of each curve by its name."""
        return {name: tuple(schedules) for name, *schedules in self.curve}

    def check(self) -> None:
        """Check that each curve has schedules and a name of its own."""
        for name, *schedules in self.curve:
            if not schedules:
                raise UserError(f"--curve {name!r} has no schedule: give a name, then schedules")
            if not name or [other for other, *_ in self.curve].count(name) > 1:
                raise UserError(f"--curve {name!r}: give each curve a name of its own")
