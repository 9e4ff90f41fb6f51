"""Mean cross-entropy of a causal language model on blocks of text."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Loss:
    """A mean over blocks.

    Attributes:
        mean: cross-entropy per predicted token, in nats.
        stderr: standard error of the mean over blocks, None for one block.
        blocks: how many.
    """

    mean: float
    stderr: float | None
    blocks: int

    @property
    def perplexity(self) -> float:
        """exp(mean)."""
        return math.exp(self.mean)

    @property
    def perplexity_stderr(self) -> float | None:
        """Standard error of the perplexity, to first order: perplexity * stderr."""
        return None if self.stderr is None else self.perplexity * self.stderr


def measure_loss(model: PreTrainedModel, blocks: torch.Tensor, batch: int, label: str = "") -> Loss:
    """Average the cross-entropy over blocks of equal length, which is the mean over all predicted tokens.

    Args:
        model: in evaluation mode; its device is used.
        blocks: int64 token ids of shape (blocks, block_size); the first token of each is not predicted.
        batch: blocks at a time; does not change the result but for rounding.
        label: what the progress bar says.
    """
    import torch
    from rich.console import Console
    from rich.progress import track

    batches = track(
        torch.split(blocks, batch),
        description=label,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with torch.inference_mode():
        losses = torch.cat([_block_losses(model, chunk.to(model.device)) for chunk in batches])
    count = len(losses)
    stderr = losses.std().item() / math.sqrt(count) if count > 1 else None
    return Loss(losses.mean().item(), stderr, count)


def _block_losses(model: PreTrainedModel, blocks: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of each block, float64 of shape (blocks,)."""
    from torch.nn.functional import cross_entropy

    logits = model(input_ids=blocks, use_cache=False).logits[:, :-1].float()
    return cross_entropy(logits.transpose(1, 2), blocks[:, 1:], reduction="none").cpu().double().mean(dim=1)
