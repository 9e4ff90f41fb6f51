"""Which samples RAFT trains on: filters, then the best of each prompt or the best of all."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ama.data.samples import Sample
from ama.errors import UserError
from ama.sampling.measures import distinct

_WINDOW = 3


class Keep(StrEnum):
    """Which of the samples that pass the filters are kept."""

    BEST = "best"
    TOP_SHARE = "top_share"


@dataclass(frozen=True)
class SelectionSettings:
    """How samples are selected.

    Attributes:
        keep: `best`: the highest reward of each prompt (paper, RSF); `top_share`: the highest of all, as
            LMFlow's RAFT.
        top_share: which share of all samples the latter keeps, in (0, 1].
        min_characters: of a reply without the white space around it.
        forbidden: a reply with this text is dropped; empty for none.
        max_repetition: of a reply, see `repetition`, in [0, 1].

    Raises:
        UserError: for a number outside its range.
    """

    keep: Keep = Keep.BEST
    top_share: float = 0.125
    min_characters: int = 4
    forbidden: str = "#"
    max_repetition: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.top_share <= 1:
            raise UserError(f"top_share {self.top_share} lies outside (0, 1]")
        if not 0 <= self.max_repetition <= 1:
            raise UserError(f"max_repetition {self.max_repetition} lies outside [0, 1]")


@dataclass(frozen=True)
class Selection:
    """What was kept, in the order of the prompts, and how many samples each filter dropped."""

    samples: list[Sample]
    dropped: dict[str, int]


def repetition(text: str) -> float:
    """Return the share of a text's three-word windows that have occurred in it before; 0 for few words."""
    share = distinct([text], _WINDOW)
    return 0.0 if share is None else 1 - share


def passing(samples: Sequence[Sample], settings: SelectionSettings) -> Selection:
    """Return the samples that pass all filters."""
    reasons = [_reason(sample.reply, settings) for sample in samples]
    kept = [sample for sample, reason in zip(samples, reasons, strict=True) if not reason]
    return Selection(kept, dict(Counter(reason for reason in reasons if reason)))


def select(samples: Sequence[Sample], settings: SelectionSettings) -> Selection:
    """Return the samples to train on.

    Args:
        samples: with rewards.
        settings: filters and choice.

    Raises:
        UserError: no sample passes the filters.
    """
    passed = passing(samples, settings)
    if not passed.samples:
        dropped = ", ".join(f"{count} {reason}" for reason, count in passed.dropped.items())
        raise UserError(f"no sample passes the filters ({dropped}): loosen them, or train the model first")
    if settings.keep is Keep.BEST:
        best: dict[str, Sample] = {}
        for sample in passed.samples:
            if sample.prompt not in best or _reward(sample) > _reward(best[sample.prompt]):
                best[sample.prompt] = sample
        return Selection(list(best.values()), passed.dropped)
    count = max(1, round(settings.top_share * len(samples)))
    ranked = sorted(range(len(passed.samples)), key=lambda i: -_reward(passed.samples[i]))[:count]
    return Selection([passed.samples[i] for i in sorted(ranked)], passed.dropped)


def collect(samples: Sequence[Sample], pool: int, count: int, seed: int) -> list[Sample]:
    """Draw samples from those with the highest rewards (paper, section 5: 2000 of 5000).

    Args:
        samples: with rewards.
        pool: how many of the highest to draw from.
        count: how many to draw; all of the pool if there are fewer.
        seed: of the drawing.
    """
    top = sorted(samples, key=lambda sample: -_reward(sample))[:pool]
    return random.Random(seed).sample(top, min(count, len(top)))


def _reward(sample: Sample) -> float:
    if sample.reward is None:
        raise ValueError("a sample without a reward can't be selected")
    return sample.reward


def _reason(reply: str, settings: SelectionSettings) -> str:
    """Return why a reply is dropped, empty if it is not."""
    if len(reply.strip()) < settings.min_characters:
        return "too short"
    if settings.forbidden and settings.forbidden in reply:
        return f"with '{settings.forbidden}'"
    return "repetitive" if repetition(reply) > settings.max_repetition else ""
