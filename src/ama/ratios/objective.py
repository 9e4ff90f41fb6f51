"""The objective of the ratios: the likelihood of samples, the retain term, and both over a whole data set."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ama.data.labelled_blocks import IGNORED
from ama.processes import rank_and_size, sum_over_processes
from ama.ratios.blocks import MaskBlocks
from ama.ratios.penalty import penalty, penalty_weights
from ama.ratios.settings import MaskSettings


def summed_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross-entropy of the next tokens, in nats, float32 or wider.

    Args:
        logits: shape (rows, length, vocabulary).
        labels: int64 of shape (rows, length); -100 does not count, nor does the first of a row.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    flat = logits[:, :-1].flatten(0, 1).to(wide)
    return cross_entropy(flat, labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum")


@torch.inference_mode()
def mean_loss(model: nn.Module, ids: Tensor, labels: Tensor, rows: int) -> float:
    """Return the mean cross-entropy of a data set, in nats per token that counts.

    Under torch.distributed the processes share the blocks, and each returns the mean over all of them.

    Args:
        model: a causal language model in evaluation mode.
        ids: token ids of shape (blocks, block_size).
        labels: of the same shape; see `summed_loss`.
        rows: blocks at a time.
    """
    rank, size = rank_and_size()
    device = next(model.parameters()).device
    total = torch.zeros(2, dtype=torch.float64)
    for start in range(rank * rows, len(ids), size * rows):
        batch, wanted = (values[start : start + rows].to(device) for values in (ids, labels))
        loss = summed_loss(model(input_ids=batch, use_cache=False).logits, wanted)
        total += torch.stack([loss.double().cpu(), wanted[:, 1:].ne(IGNORED).sum().double().cpu()])
    total = sum_over_processes(total, device)
    return float(total[0] / total[1])


def whole_loss(model: nn.Module, data: Mapping[str, Tensor], retain_weight: float, rows: int) -> float:
    """Return the training objective of a whole data set, without the penalty.

    Args:
        model: an averaged model in evaluation mode.
        data: `input_ids` and `labels`, and `retain_ids` for the retain term, of shape (blocks, block_size).
        retain_weight: LAMBDA, the weight of the retain term.
        rows: blocks at a time.
    """
    loss = mean_loss(model, data["input_ids"], data["labels"], rows)
    if retain_weight:
        loss += retain_weight * mean_loss(model, data["retain_ids"], data["retain_ids"], rows)
    return loss


def whole_penalty(ratios: Tensor, blocks: MaskBlocks, num_layers: int, settings: MaskSettings) -> float:
    """Return reg_alpha times the penalty on some ratios, shape (n,)."""
    weights = penalty_weights(settings.sum_reg_type, blocks.linears, num_layers).to(ratios.dtype)
    return settings.reg_alpha * float(penalty(settings.sum_reg_type, ratios, settings.init_val, weights))
