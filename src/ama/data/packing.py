"""Pack documents into blocks of tokens of one length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from ama.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


def pack(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, block_size: int) -> torch.Tensor:
    """Join the documents, an end-of-text token after each, and cut them into blocks.

    Args:
        texts: the documents.
        tokenizer: has an end-of-text token; adds no other special token.
        block_size: tokens in a block, 2 or more.

    Returns:
        int64 of shape (blocks, block_size). The rest that fills no block is left out.

    Raises:
        UserError: if there is no end-of-text token, if block_size is below 2, or if the text fills no block.
    """
    import torch

    if block_size < 2:
        raise UserError(f"a block of {block_size} tokens predicts nothing; give block_size 2 or more")
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {tokenizer.name_or_path!r} has no end-of-text token (eos_token)")
    documents = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    tokens = list(chain.from_iterable([*document, tokenizer.eos_token_id] for document in documents))
    blocks = len(tokens) // block_size
    if not blocks:
        raise UserError(
            f"{len(tokens)} tokens of text fill no block of {block_size}; lower block_size or add text"
        )
    return torch.tensor(tokens[: blocks * block_size], dtype=torch.int64).view(blocks, block_size)
