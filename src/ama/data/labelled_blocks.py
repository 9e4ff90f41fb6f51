"""Collected samples as blocks of tokens, with the labels that the objective counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ama.data.samples import Sample
from ama.errors import UserError
from ama.settings.samples import LossOn

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

IGNORED = -100


def label_blocks(
    samples: Sequence[Sample], tokenizer: PreTrainedTokenizerBase, block_size: int, loss_on: LossOn
) -> dict[str, Tensor]:
    """Join the samples, an end-of-text token after each, and cut them into blocks.

    Args:
        samples: the texts.
        tokenizer: a fast one, with an end-of-text token.
        block_size: tokens in a block, 2 or more.
        loss_on: `text` counts every token, `response` replies and their end only (paper, Eq. 9).

    Returns:
        `input_ids` and `labels`, int64 of shape (blocks, block_size). The rest that fills no block is left
        out; labels that do not count are -100, and so is each block's first, which nothing predicts.

    Raises:
        UserError: block_size below 2, a slow tokenizer, no end-of-text token, or text that fills no block.
    """
    import torch

    if block_size < 2:
        raise UserError(f"--block_size {block_size}: a block of one token predicts nothing; give 2 or more")
    if not tokenizer.is_fast or tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {tokenizer.name_or_path} is slow or has no end-of-text token")
    encoded = tokenizer(
        [sample.prompt + sample.reply for sample in samples],
        add_special_tokens=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    tokens: list[int] = []
    labels: list[int] = []
    for sample, ids, offsets in zip(samples, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        first = len(sample.prompt) if loss_on is LossOn.RESPONSE else 0
        tokens += [*ids, tokenizer.eos_token_id]
        labels += [token if end > first else IGNORED for token, (_, end) in zip(ids, offsets, strict=True)]
        labels.append(tokenizer.eos_token_id)
    count = len(tokens) // block_size
    if not count:
        raise UserError(
            f"{len(tokens)} tokens fill no block of {block_size}: lower --block_size or add samples"
        )
    blocks = torch.tensor([tokens[: count * block_size], labels[: count * block_size]])
    blocks = blocks.view(2, count, block_size)
    blocks[1, :, 0] = IGNORED
    return {"input_ids": blocks[0], "labels": blocks[1]}
