"""Preference pairs as tokens, without those that are too long."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from ama.data.pairs import Pair
from ama.sampling.encoding import Encoded, encode_dialogues
from ama.sampling.lengths import short_enough


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
    lengths = [max(len(one.ids), len(other.ids)) for one, other in zip(chosen, rejected, strict=True)]
    triples = list(zip(pairs, chosen, rejected, strict=True))
    return short_enough(triples, lengths, max_length, f"{which} pair", "--max_length")
