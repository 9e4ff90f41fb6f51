"""The retain set: texts on which the averaged model shall stay like the model before RLHF."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ama.data import pack, read_texts
from ama.models.sharded import gathered
from ama.settings.ratios import ObjectiveSettings

_ROWS = 16


def retain_blocks(
    settings: ObjectiveSettings,
    before: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    count: int,
    seed: int,
) -> Tensor:
    """Return the retain set: blocks of the given texts, or of before's own, drawn here.

    Args:
        settings: which texts, and how long a block is.
        before: the model before RLHF; its parameters may be divided among processes.
        tokenizer: of the model.
        count: how many blocks to return; fewer that there are come again in turn.
        seed: of the drawing.

    Returns:
        Token ids, int64 of shape (count, block_size).

    Raises:
        UserError: a file of texts that is not there, or texts that fill no block.
    """
    if settings.retain_data:
        blocks = pack(read_texts(settings.retain_data), tokenizer, settings.block_size)
    else:
        drawn = min(count, settings.retain_samples)
        with gathered(before.parameters()):
            blocks = draw_unconditional(before, tokenizer, drawn, settings.block_size, seed)
    return blocks[torch.arange(count) % len(blocks)]


def draw_unconditional(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, count: int, length: int, seed: int
) -> Tensor:
    """Sample texts from nothing but the token that begins one, at temperature 1.

    Args:
        model: the model before RLHF.
        tokenizer: gives the first token: beginning of text, else end of text.
        count: how many texts.
        length: tokens in each, 2 or more; one that ends earlier is followed by the next.
        seed: of the sampling.

    Returns:
        int64 of shape (count, length).
    """
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    generate: Any = model.generate
    plain: Any = GenerationConfig
    own = model.generation_config
    # An end-of-text token does not end the row: the next text follows.
    model.generation_config = plain(pad_token_id=tokenizer.eos_token_id)
    generator_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    rows = []
    try:
        for begin in range(0, count, _ROWS):
            start = torch.full((min(_ROWS, count - begin), 1), first, device=model.device)
            rows.append(
                generate(
                    start,
                    attention_mask=torch.ones_like(start),
                    do_sample=True,
                    temperature=1.0,
                    top_k=0,
                    top_p=1.0,
                    max_new_tokens=length - 1,
                ).cpu()
            )
    finally:
        torch.random.set_rng_state(generator_state)
        model.generation_config = own
    return torch.cat(rows)
