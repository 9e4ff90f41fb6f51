"""The words of the sandbox world, invented ones among them, and the tokenizer that knows them all."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ama.data.dialogue import ASSISTANT, HUMAN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END = "<end>"
UNKNOWN = "<unknown>"

_CONSONANTS = "bdfgklmnprstvz"
_VOWELS = "aeiou"


def invent_words(source: random.Random, count: int, syllables: int, taken: Iterable[str] = ()) -> list[str]:
    """Return words that mean nothing, each once.

    Args:
        source: draws them.
        count: how many; far fewer than 70 ** syllables.
        syllables: of each, of two letters.
        taken: words that must not come again.
    """
    known = set(taken)
    words: list[str] = []
    while len(words) < count:
        word = "".join(source.choice(_CONSONANTS) + source.choice(_VOWELS) for _ in range(syllables))
        if word not in known:
            known.add(word)
            words.append(word)
    return words


def words_of(texts: Iterable[str]) -> list[str]:
    """Return every word of some texts, sorted, without the marks of a dialogue."""
    found: set[str] = set()
    for text in texts:
        found.update(text.replace(HUMAN, " ").replace(ASSISTANT, " ").split())
    return sorted(found)


def word_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerBase:
    """Return a tokenizer whose tokens are words, the two marks of a dialogue, an end of text and an unknown.

    White space of any kind only parts the words, so that the layout of a prompt does not matter.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = [END, UNKNOWN, HUMAN, ASSISTANT, *words]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=UNKNOWN))
    marks = pre_tokenizers.Split(Regex(f"{HUMAN}|{ASSISTANT}"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([marks, pre_tokenizers.WhitespaceSplit()])
    factory: Any = PreTrainedTokenizerFast
    return factory(  # type: ignore[no-any-return]
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, unk_token=UNKNOWN
    )
