"""Which sandbox is built, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ama.settings.base import Settings, option


@dataclass(frozen=True, kw_only=True)
class SandboxSettings(Settings):
    """The world."""

    out: Path = option(help="folder of the world", metavar="DIR")
    seed: int = option(0, "of the world, the first weights and the sampling", low=0, high=999_999_999)
    size: Literal["full", "small"] = option(
        "full", "small: fewer words, shorter trainings, a minute; to try the commands on"
    )
    dpo: bool = option(False, "also build after_dpo/ and collected_dpo/")
    prompt_loss: bool = option(
        False, "also build after_prompt_loss/ and collected_prompt_loss/ by RAFT that learns prompts too"
    )
    threads: int = option(1, "of the computation; more gain little", low=1)
