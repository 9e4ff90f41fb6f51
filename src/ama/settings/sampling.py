"""How replies are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ama.settings.base import Settings, option


@dataclass(frozen=True, kw_only=True)
class SamplingSettings(Settings):
    """How replies are drawn."""

    samples: int = option(1, "replies to each prompt", low=1)
    temperature: float = option(1.0, "of the sampling; 0 takes the likeliest token", low=0)
    top_k: int = option(0, "draw from that many likeliest tokens; 0: from all", low=0)
    top_p: float = option(1.0, "draw from the likeliest tokens of this share", above=0, high=1)
    max_new_tokens: int = option(128, "of a reply", low=1)
    engine: Literal["transformers", "vllm"] = option("transformers", "what samples")
    sample_batch: int = option(64, "replies at a time on each process", low=1)
    seed: int = option(0, "of what is drawn")
