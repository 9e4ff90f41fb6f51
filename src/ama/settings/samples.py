"""Samples of a model after RLHF: which of their tokens a training counts, how many are collected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ama.settings.base import Settings, option


class LossOn(StrEnum):
    """Which tokens the likelihood counts."""

    TEXT = "text"
    RESPONSE = "response"


@dataclass(frozen=True, kw_only=True)
class CollectionSettings(Settings):
    """Which samples are collected for learned ratios."""

    pool: int = option(5000, "samples of high reward to draw collected ones from", low=1)
    collected: int = option(2000, "how many to draw", low=1)
