"""Preference pairs as tokens, without those that are too long."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ama.core.errors import UserError
from ama.data.pairs import Pair
from ama.sampling.encoding import Encoded, encode_dialogues

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair], max_length: int, which: str
) -> list[tuple[Pair, Encoded, Encoded]]:
    """Return each pair with its chosen and rejected text, prompt included, as tokens.

    Args:
        tokenizer: has an end-of-text token, which ends each text.
        pairs: the comparisons.
        max_length: pairs with a text of more tokens are left out, and counted on stderr.
        which: what the pairs are, for messages.

    Raises:
        UserError: none is short enough, or no end-of-text token.
    """
    prompts = [pair.prompt for pair in pairs]
    chosen = encode_dialogues(tokenizer, prompts, [pair.chosen for pair in pairs])
    rejected = encode_dialogues(tokenizer, prompts, [pair.rejected for pair in pairs])
    kept = [
        triple
        for triple in zip(pairs, chosen, rejected, strict=True)
        if max(len(triple[1].ids), len(triple[2].ids)) <= max_length
    ]
    if not kept:
        raise UserError(f"no {which} pair has at most {max_length} tokens: raise --max_length")
    if len(kept) < len(pairs):
        sys.stderr.write(
            f"{len(pairs) - len(kept)} of {len(pairs)} {which} pairs have more than {max_length} tokens: "
            "left out\n"
        )
    return kept
