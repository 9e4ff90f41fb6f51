"""What decides the reports: the front of sweeps, tables of scores, tables and plots of losses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ama.settings.base import Settings, option


@dataclass(frozen=True, kw_only=True)
class ChoiceSettings(Settings):
    """Which average is recommended."""

    most_loss: float = option(
        0.05,
        "share of the reward gain that the recommended schedule may lose, in [0, 1]",
        metavar="X",
        low=0,
        high=1,
    )


@dataclass(frozen=True, kw_only=True)
class FrontSettings(ChoiceSettings):
    """What decides the numbers of a front."""

    draws: int = option(1000, "draws of the bootstrap that gives the errors", low=2)
    seed: int = option(0, "of the bootstrap", low=0)
    reward: str | None = option(
        None,
        "task and metric of the reward, such as 'hh reward'; unless given, the first of group reward or, "
        "without one, of group pairrm",
        metavar="MEASURE",
    )


@dataclass(frozen=True, kw_only=True)
class SweepsSettings(Settings):
    """Which sweeps are shown, and where."""

    sweeps: tuple[Path, ...] = option(
        help="--out of ama.pareto; several are pooled as seeds", metavar="SWEEP_DIR", positional=True
    )
    out: Path | None = option(None, "where to write; the first sweep unless given", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class ScoresSettings(Settings):
    """Which scores are shown, and how."""

    scores: Path = option(help="file of scores", positional=True)
    groups: tuple[str, ...] = option((), "such as common_sense; all unless given", metavar="GROUP")
    all: bool = option(False, "every metric")
    csv: bool = option(False, "comma-separated values in place of tables")


@dataclass(frozen=True, kw_only=True)
class LossesSettings(Settings):
    """Which losses are shown, and how."""

    scores: Path = option(help="file of scores", positional=True)
    metric: Literal["loss", "perplexity"] = option("loss", "what to show")
    before: str | None = option(None, "the measured model before RLHF: at ratio 1 in the plot")
    after: str | None = option(None, "the measured model after RLHF: at ratio 0 in the plot")
    plot: Path | None = option(None, "image to draw, .png, .pdf or .svg")
    csv: bool = option(False, "comma-separated values in place of the table")
