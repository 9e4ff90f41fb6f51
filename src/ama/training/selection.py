"""Which samples RAFT trains on: filters, then the best of each prompt or the best of all."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ama.data.samples import Sample
from ama.errors import UserError
from ama.sampling.measures import distinct
from ama.settings.training import Keep, SelectionSettings

_WINDOW = 3


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
