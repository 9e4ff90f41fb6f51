"""Soft targets: how far an averaged model's next-token distributions lie from those of one of its parents.

Targets are the parent's whole distributions, made at each step by the masked model itself, or its likeliest
tokens and the rest as one, made once. The second sees less: merging outcomes never raises a divergence.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import log_softmax
from transformers import PreTrainedModel

from ama.data.labelled_blocks import IGNORED
from ama.models.sharded import gathered
from ama.ratios.objective import Step, Term

AFTER, BEFORE = 0.0, 1.0
"""The ratios that make the masked model one of its parents."""
_TINY = 1e-7


class Divergence(Term):
    """KL(parent || average) of the next token, in nats, over the tokens that count, times a weight."""

    def __init__(
        self,
        parent: float,
        weight: float,
        reads: str,
        ids: Tensor,
        labels: Tensor | None,
        targets: tuple[Tensor, Tensor] | None,
    ) -> None:
        """Take the texts.

        Args:
            parent: AFTER, whose divergence is a mean over the labels of a whole step, or BEFORE, whose
                divergence is a mean over all tokens, times the step's price.
            weight: above 0.
            reads: the column of the token ids.
            ids: shape (blocks, block_size).
            labels: of the same shape, -100 where a token does not count; None where all count.
            targets: of `top_targets`; None for whole distributions, made at each step.
        """
        self.reads = reads
        self.teacher = parent if targets is None else None
        self._parent, self._weight = parent, weight
        self.data = {reads: ids}
        if labels is not None:
            self.data["labels"] = labels
        if targets is not None:
            self.data |= {f"{reads}_tokens": targets[0], f"{reads}_targets": targets[1]}

    def in_step(self, step: Step) -> Tensor:
        """Return the divergence of a micro-batch; see `__init__` for how it is scaled."""
        logits = step.logits[self.reads][:, :-1]
        if self.teacher is None:
            tokens, targets = (step.data[f"{self.reads}_{name}"][:, :-1] for name in ("tokens", "targets"))
            divergence = top_divergence(targets, tokens, logits)
        else:
            divergence = whole_divergence(step.teachers[self.reads][:, :-1], logits)
        if self._parent == AFTER:
            counted = step.data["labels"][:, 1:].ne(IGNORED)
            count = counted.sum() if step.labels is None else step.labels
            return self._weight * (divergence * counted).sum() / count * step.processes
        return step.price * self._weight * divergence.mean() / step.micro_batches


def whole_divergence(target: Tensor, logits: Tensor) -> Tensor:
    """Return KL(target || model) at each position, shape (rows, length), in nats, float32 or wider.

    Args:
        target: the parent's logits, shape (rows, length, vocabulary).
        logits: the average's, of the same shape.
    """
    first, second = (_log_probabilities(values) for values in (target, logits))
    return (first.exp() * (first - second)).sum(-1)


def top_divergence(targets: Tensor, tokens: Tensor, logits: Tensor) -> Tensor:
    """Return KL(target || model) over the parent's likeliest tokens and the rest as one outcome.

    Args:
        targets: the parent's log probabilities, shape (rows, length, k).
        tokens: which tokens they are of, of the same shape.
        logits: the average's, shape (rows, length, vocabulary).
    """
    own = _log_probabilities(logits).gather(-1, tokens.long())
    target = targets.to(own.dtype)
    rest, own_rest = ((1 - values.exp().sum(-1)).clamp(min=_TINY) for values in (target, own))
    return (target.exp() * (target - own)).sum(-1) + rest * (rest.log() - own_rest.log())


@torch.inference_mode()
def top_targets(model: PreTrainedModel, ids: Tensor, count: int, rows: int) -> tuple[Tensor, Tensor]:
    """Return the likeliest next tokens of a model at each position, and their log probabilities.

    Args:
        model: in evaluation mode; its parameters may be divided among processes.
        ids: token ids of shape (blocks, block_size).
        count: k, how many tokens; the whole vocabulary where it is smaller.
        rows: blocks at a time.

    Returns:
        int32 tokens and float32 log probabilities, both of shape (blocks, block_size, k), on the CPU.
    """
    device = next(model.parameters()).device
    tokens, targets = [], []
    split: Any = torch.split
    for part in split(ids, rows):
        with gathered(model.parameters()):
            values = _log_probabilities(model(input_ids=part.to(device), use_cache=False).logits)
        top = values.topk(min(count, values.shape[-1]), dim=-1)
        tokens.append(top.indices.to(torch.int32).cpu())
        targets.append(top.values.float().cpu())
    return torch.cat(tokens), torch.cat(targets)


def _log_probabilities(logits: Tensor) -> Tensor:
    return log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
