"""The sandbox world's translation: from an invented language with an order of its own."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from ama.data.samples import Sample
from ama.sandbox.words import invent_words

_NOUNS = """
king dog bird child queen horse farmer cat doctor wolf baker sailor nurse soldier teacher hunter singer dancer
painter writer driver pilot lawyer judge miner tailor smith monk knight thief priest clerk guard guide prince
artist actor banker tutor uncle
"""
_VERBS = "see love follow call hate find help hear know trust visit greet thank warn"
_ADJECTIVES = "happy angry young tall quiet lazy brave hungry"
NOUNS, VERBS, ADJECTIVES = (tuple(words.split()) for words in (_NOUNS, _VERBS, _ADJECTIVES))
ADVERBS = ("today", "again", "slowly", "often")
_PLURALS = {"child": "children", "wolf": "wolves"}


class Language:
    """An invented language: adverb, subject, object, verb; adjectives follow their noun and agree with it.

    A noun is of one of two genders, which its adjectives show; a word for many follows the plural.
    """

    def __init__(self, source: random.Random, nouns: int, taken: Iterable[str]) -> None:
        """Invent its words, for the first so many nouns, none of which is among those taken."""
        self._nouns = NOUNS[:nouns]
        plain = [*self._nouns, *VERBS, *ADVERBS]
        words = invent_words(source, len(plain) + 2 * len(ADJECTIVES) + 1, 3, taken)
        self._words = dict(zip(plain, words, strict=False))
        rest = words[len(plain) :]
        self._adjectives = {name: (rest[2 * i], rest[2 * i + 1]) for i, name in enumerate(ADJECTIVES)}
        self._many = rest[-1]
        self._gender = {noun: source.randrange(2) for noun in self._nouns}

    def sentence(self, source: random.Random) -> tuple[str, str]:
        """Return a sentence and its English."""
        subject, english_subject, many = self._noun_phrase(source)
        target, english_target, _ = self._noun_phrase(source)
        verb = source.choice(VERBS)
        words = [*subject, *target, self._words[verb]]
        english = [*english_subject, verb if many else f"{verb}s", *english_target]
        if source.random() < 0.3:
            adverb = source.choice(ADVERBS)
            words.insert(0, self._words[adverb])
            english.append(adverb)
        return " ".join(words), " ".join(english)

    def _noun_phrase(self, source: random.Random) -> tuple[list[str], list[str], bool]:
        noun, many = source.choice(self._nouns), source.random() < 0.3
        words = [self._words[noun]] + [self._many] * many
        english = ["the", _PLURALS.get(noun, f"{noun}s") if many else noun]
        if source.random() < 0.5:
            adjective = source.choice(ADJECTIVES)
            words.append(self._adjectives[adjective][self._gender[noun]])
            english.insert(1, adjective)
        return words, english, many

    def lesson(self, source: random.Random) -> list[Sample]:
        """Return a lesson, laid out as lm-eval asks for WMT14 French to English."""
        sentence, english = self.sentence(source)
        return [Sample(f"French phrase: {sentence}\nEnglish phrase:", f" {english}")]

    def rows(self, source: random.Random, count: int) -> Iterator[dict[str, Any]]:
        """Yield rows of WMT14 French to English."""
        for _ in range(count):
            sentence, english = self.sentence(source)
            yield {"translation": {"fr": sentence, "en": english}}
