"""How replies are sampled, and to which prompts: the one home of these defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ama.settings.base import Settings, option


@dataclass(frozen=True, kw_only=True)
class SeedlessSampling(Settings):
    """How replies are sampled, for a run whose seed is that of its training."""

    samples: int = option(1, "replies to each prompt", low=1)
    temperature: float = option(1.0, "of the sampling; 0 takes the likeliest token", low=0)
    top_k: int = option(0, "draw from that many likeliest tokens; 0: from all", low=0)
    top_p: float = option(1.0, "draw from the likeliest tokens of this share", above=0, high=1)
    max_new_tokens: int = option(128, "of a reply", low=1)
    engine: Literal["transformers", "vllm"] = option("transformers", "what samples")
    # Another size draws other random numbers.
    sample_batch: int = option(64, "replies at a time on each process", low=1)

    def seeded(self, seed: int) -> SamplingSettings:
        """Return the same with a seed, 0 to 2**32 - 1."""
        return SamplingSettings(**{**asdict(self), "seed": seed})


@dataclass(frozen=True, kw_only=True)
class SamplingSettings(SeedlessSampling):
    """How replies are sampled."""

    seed: int = option(0, "of what is drawn", low=0, high=2**32 - 1)


RAFT_SAMPLING = SeedlessSampling(samples=32)
"""The paper's: the best of 32 is trained on."""


@dataclass(frozen=True, kw_only=True)
class PromptSettings(Settings):
    """What is replied to."""

    prompts: Path = option(help="LMFlow JSON: file or folder", metavar="PATH")
    max_prompt_tokens: int = option(256, "leave longer prompts out", low=1, metavar="N")


@dataclass(frozen=True, kw_only=True)
class CollectSettings(Settings):
    """Models and files."""

    model: Path = option(help="model after RLHF", metavar="DIR")
    out: Path = option(help=".json to write", metavar="FILE")
    overwrite: bool = option(False, "replace --out, at the end")
    reward_model: Path | None = option(None, "scores the replies", metavar="DIR")
    limit: int | None = option(None, "reply to that many of the prompts, drawn by --seed", low=1, metavar="N")
