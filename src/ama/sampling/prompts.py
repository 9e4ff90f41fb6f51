"""Prompts to sample replies to: reading them, and leaving out those that are too long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from ama.data.samples import read_samples
from ama.errors import UserError
from ama.models import load_tokenizer
from ama.sampling.encoding import encode_prompts
from ama.sampling.lengths import short_enough


def read_prompts(path: Path, model: Path, max_tokens: int) -> list[str]:
    """Read prompts and leave out the longer ones, which are counted on stderr.

    Args:
        path: see `prompts_in`.
        model: folder whose tokenizer counts.
        max_tokens: of a prompt (paper, 256).

    Raises:
        UserError: as `prompts_in` and `short_prompts`.
    """
    return short_prompts(prompts_in(path), load_tokenizer(model), max_tokens)


def prompts_in(path: Path) -> list[str]:
    """Read prompts.

    Args:
        path: LMFlow JSON, file or folder: text_only up to the last `###Assistant:`, or text2text's inputs.

    Raises:
        UserError: nothing there or no such JSON, or a prompt that does not end in a mark.
    """
    prompts = [sample.prompt for sample in read_samples(path)]
    for number, prompt in enumerate(prompts):
        if not prompt.strip():
            raise UserError(f"{path}: instance {number} has no prompt: end it with ###Assistant:")
    return prompts


def short_prompts(prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> list[str]:
    """Return the prompts of up to `max_tokens` tokens; the others are counted on stderr.

    Args:
        prompts: one or more.
        tokenizer: counts.
        max_tokens: of a prompt.

    Raises:
        UserError: none is short enough.
    """
    lengths = map(len, encode_prompts(tokenizer, prompts))
    return short_enough(prompts, lengths, max_tokens, "prompt", "--max_prompt_tokens")
