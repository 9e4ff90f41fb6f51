"""How two checkpoints are averaged: the pair, the schedule of ratios, and how the result is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from ama.errors import UserError
from ama.settings.base import Settings, option

_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


class Scope(StrEnum):
    """Which parameters are averaged; the others are taken from before."""

    ALL = "all"
    LINEAR = "linear"


class Method(StrEnum):
    """How two tensors are mixed by a ratio; each is a module of ama.averaging.methods."""

    LINEAR = "linear"
    SLERP = "slerp"
    EXTRAPOLATE = "extrapolate"


class VocabularyMismatch(StrEnum):
    """What to do where one model has more token rows than the other."""

    ERROR = "error"
    KEEP_EXTRA = "keep_extra"


@dataclass(frozen=True, kw_only=True)
class PairSettings(Settings):
    """The two models."""

    before: str = option(help="checkpoint before RLHF: folder or hub id", metavar="MODEL")
    after: str = option(help="checkpoint after RLHF: folder, hub id or LoRA adapter", metavar="MODEL")


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(Settings):
    """The ratios, weights of before."""

    ratio: float | None = option(
        None,
        "weight of before, in [0, 1]; with a split tag that of the final norm and the head, with learned "
        "ratios their mean",
        aliases=("alpha",),
    )
    schedule: str | None = option(
        None,
        "split tag, YAML file or mask_alphas.bin; by default the save name's, else plain averaging",
        metavar="S",
    )
    scope: Scope = option(
        Scope.ALL,
        "linear: average linear maps only, take all else from before; learned ratios have their own",
    )
    method: Method = option(Method.LINEAR, "how two tensors are mixed by a ratio")
    tag0: str = option("", "name of before within the save name, checked for reserved characters")
    tag1: str = option("", "name of after within the save name, checked for reserved characters")


@dataclass(frozen=True, kw_only=True)
class LearnedScheduleSettings(Settings):
    """The learned ratios."""

    masks: Path = option(
        help="mask_alphas.bin or its folder (alphas_path)", metavar="PATH", aliases=("alphas_path",)
    )
    mean_ratio: float | None = option(
        None,
        "mean of the ratios; by default the one they were learned with",
        low=0,
        high=1,
        aliases=("alpha", "ratio"),
    )
    price: float | None = option(
        None, "which of the free ratios, where they were learned at several prices", low=0
    )
    allow_extrapolation: bool = option(False, "merge even where a ratio is above 1")


@dataclass(frozen=True, kw_only=True)
class RecommendedSettings(Settings):
    """The sweep."""

    sweep: Path = option(help="--out of ama.pareto", metavar="SWEEP_DIR", positional=True)


@dataclass(frozen=True, kw_only=True)
class OutputSettings(Settings):
    """The result."""

    out: Path = option(help="folder to write; its name may hold a split tag", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class MergeSettings(Settings):
    """How the models are read and the result is written."""

    dtype: Literal["float32", "bfloat16", "float16"] | None = option(
        None, "dtype of the result; by default the narrowest that holds both inputs exactly"
    )
    max_shard_size: str = option("5GB", "largest weight file", metavar="SIZE")
    vocab_mismatch: VocabularyMismatch = option(
        VocabularyMismatch.ERROR, "keep_extra: average the common token rows and keep the others"
    )
    allow_nonfinite: bool = option(False, "write NaN and infinity instead of refusing them")
    trust_remote_code: bool = option(False, "copy the model's own Python files into the result; none is run")
    revision: str | None = option(None, "branch, tag or commit of both hub ids")
    before_revision: str | None = option(None, "the same for before alone")
    after_revision: str | None = option(None, "the same for after alone")
    overwrite: bool = option(False, "replace an earlier result at --out, once the new one is whole")
    threads: int | None = option(None, "threads that read, mix and write; by default one per core", low=1)
    dry_run: bool = option(False, "check everything and print the ratio of every tensor; write nothing")

    def check(self) -> None:
        """Check the size."""
        _ = self.shard_bytes

    @property
    def shard_bytes(self) -> int:
        """Bytes of the largest weight file."""
        return parse_size(self.max_shard_size)

    @property
    def revisions(self) -> tuple[str | None, str | None]:
        """Branch, tag or commit of before and of after."""
        return self.before_revision or self.revision, self.after_revision or self.revision


def parse_size(text: str) -> int:
    """Read a size such as `5GB`, `500MB` or `2GiB` as bytes.

    Raises:
        UserError: no positive number with a unit.
    """
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?)\s*([KMGT]?I?B)", text.strip().upper())
    size = int(float(match[1]) * _UNITS.get(match[2], 0)) if match else 0
    if size <= 0:
        raise UserError(f"--max_shard_size '{text}' is no size: write it as 5GB, 500MB or 2GiB")
    return size
