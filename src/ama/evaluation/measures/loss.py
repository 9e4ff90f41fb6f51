"""The loss of a causal language model on texts: mean cross-entropy per token on blocks of equal length."""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.averaging.in_memory import Loaded
from ama.data import pack, read_texts
from ama.evaluation.items import mean_items
from ama.evaluation.measure import Measure, Measurement, Number
from ama.evaluation.subject import Subject
from ama.processes import is_first
from ama.settings.evaluation import Dtype, ScoringSettings
from ama.settings.measures import LossSettings


@dataclass(frozen=True)
class Loss:
    """A mean over blocks.

    Attributes:
        mean: cross-entropy per predicted token, in nats.
        stderr: standard error of the mean over blocks, None for one block.
        by_block: the mean of each block.
    """

    mean: float
    stderr: float | None
    by_block: tuple[float, ...]

    @property
    def blocks(self) -> int:
        """How many."""
        return len(self.by_block)

    @property
    def perplexity(self) -> float:
        """exp(mean)."""
        return math.exp(self.mean)

    @property
    def perplexity_stderr(self) -> float | None:
        """Standard error of the perplexity, to first order: perplexity * stderr."""
        return None if self.stderr is None else self.perplexity * self.stderr


@dataclass(frozen=True)
class TextMeasure(Measure):
    """Something that is measured on the blocks of one text.

    Attributes:
        what: what goes into the rows.
        path: of the text.
        how: size and number of blocks.
        dtype: of the weights.
    """

    what: Measurement
    path: Path
    how: LossSettings
    dtype: Dtype

    @property
    def opening(self) -> Hashable:
        """All texts are measured with one load of the model."""
        return TextMeasure, self.dtype

    def open(self, subject: Subject) -> Loaded:
        """Load the model."""
        return subject.load(self.dtype)

    def blocks(self, tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
        """Cut the text into blocks by the model's own tokenizer; int64 of shape (blocks, block_size)."""
        return pack(read_texts([self.path]), tokenizer, self.how.block_size)[: self.how.max_blocks]


class LossMeasure(TextMeasure):
    """Loss and perplexity = exp(loss) on one text."""

    metrics = ("loss", "perplexity")

    def run(self, subject: Subject, opened: Loaded) -> list[Number]:
        """Measure on the blocks."""
        model, tokenizer = opened
        label = f"{subject.label}, {self.what.task}"
        loss = measure_loss(model, self.blocks(tokenizer), self.how.batch, label)
        return [
            Number("loss", loss.mean, loss.stderr, loss.blocks, mean_items(loss.by_block)),
            Number("perplexity", loss.perplexity, loss.perplexity_stderr, loss.blocks),
        ]


def loss_measures(settings: LossSettings, scoring: ScoringSettings) -> list[Measure]:
    """Return a measure for each text.

    Raises:
        OSError: a text can't be read.
    """
    return text_measures(LossMeasure, settings, scoring)


def text_measures(
    kind: type[TextMeasure], settings: LossSettings, scoring: ScoringSettings, **decides: str
) -> list[Measure]:
    """Return a measure for each text.

    Args:
        kind: of measure.
        settings: the texts, and size and number of blocks.
        scoring: the type of the weights.
        **decides: what else decides the number, for the rows.

    Raises:
        OSError: a text can't be read.
    """
    shared = {"block_size": settings.block_size, "max_blocks": settings.max_blocks, "dtype": scoring.dtype}
    return [
        kind(
            Measurement(
                "loss",
                name,
                "transformers",
                {"data": sha256(path.read_bytes()).hexdigest()[:16], **decides, **shared},
            ),
            path,
            settings,
            scoring.dtype,
        )
        for name, path in settings.texts.items()
    ]


def measure_loss(model: PreTrainedModel, blocks: torch.Tensor, batch: int, label: str = "") -> Loss:
    """Average the cross-entropy over blocks of equal length, which is the mean over all predicted tokens.

    Args:
        model: in evaluation mode; its device is used.
        blocks: int64 token ids of shape (blocks, block_size); the first token of each is not predicted.
        batch: blocks at a time; does not change the result but for rounding.
        label: what the progress bar says.
    """
    batches = track(
        torch.split(blocks, batch),
        description=label,
        console=Console(stderr=True),
        transient=True,
        disable=not (sys.stderr.isatty() and is_first()),
    )
    with torch.inference_mode():
        losses = torch.cat([_block_losses(model, chunk.to(model.device)) for chunk in batches])
    stderr = losses.std().item() / math.sqrt(len(losses)) if len(losses) > 1 else None
    return Loss(losses.mean().item(), stderr, tuple(losses.tolist()))


def _block_losses(model: PreTrainedModel, blocks: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of each block, float64 of shape (blocks,)."""
    logits = model(input_ids=blocks, use_cache=False).logits[:, :-1].float()
    return cross_entropy(logits.transpose(1, 2), blocks[:, 1:], reduction="none").cpu().double().mean(dim=1)
