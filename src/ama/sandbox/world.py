"""The sandbox world of a seed: its facts, language and dialogues, and the data sets drawn from them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ama.data.pairs import Pair
from ama.data.samples import Sample
from ama.sandbox import reading
from ama.sandbox.facts import Facts
from ama.sandbox.talk import Request, Talk, gold_score
from ama.sandbox.translation import Language
from ama.sandbox.words import words_of
from ama.settings.sandbox import WorldSettings

# What shares of the lessons that before gets; the rest are dialogues.
_FACTS, _READING, _TRANSLATION = 0.36, 0.31, 0.2


class World:
    """Everything that is true in the world of one seed."""

    def __init__(self, seed: int, settings: WorldSettings) -> None:
        """Draw the world."""
        self._seed, self._settings = seed, settings
        source = self._source("world")
        self.facts = Facts(source, settings.animals)
        self.language = Language(source, settings.nouns, self.facts.animals)
        self.talk = Talk(self.facts, source)
        requests = list(self.talk.requests.values())
        self._held_out = requests[: settings.held_out_prompts]
        self._requests = requests[settings.held_out_prompts :]

    def _source(self, purpose: str) -> random.Random:
        """Return random numbers that are used for one purpose only."""
        return random.Random(f"{self._seed} {purpose}")

    def lessons(self) -> list[list[Sample]]:
        """Return what before learns from: samples of which those of one lesson belong together."""
        source = self._source("lessons")
        kinds = (self.facts.lesson, reading.lesson, self.language.lesson, self._dialogue)
        shares = (_FACTS, _READING, _TRANSLATION, 1 - _FACTS - _READING - _TRANSLATION)
        return [make(source) for make in source.choices(kinds, shares, k=self._settings.lessons)]

    def words(self) -> list[str]:
        """Return every word that occurs in the world."""
        source = self._source("words")
        requests = self.talk.requests.values()
        told = [text for request in requests for text in (request.prompt, request.right, *request.wrong)]
        told += [self.talk.reply(request, source) for request in requests]
        # So many that no word is missed; a test compares seeds.
        skills = (self.facts.lesson, reading.lesson, self.language.lesson)
        lessons = [make(source) for make in skills for _ in range(4000)]
        told += [f"{sample.prompt}{sample.reply}" for lesson in lessons for sample in lesson]
        return words_of(told)

    def prompts(self) -> list[str]:
        """Return the prompts that RLHF trains on."""
        return [request.prompt for request in self._requests]

    def held_out_prompts(self) -> list[str]:
        """Return the prompts that rewards are measured on."""
        return [request.prompt for request in self._held_out]

    def pairs(self) -> list[Pair]:
        """Return the comparisons to train on."""
        return self._pairs(self._requests, self._settings.pairs, "pairs")

    def held_out_pairs(self) -> list[Pair]:
        """Return comparisons of replies to the prompts that are held out."""
        return self._pairs(self._held_out, self._settings.held_out_pairs, "held-out pairs")

    def tasks(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows to measure skills on: `facts` as ARC, `reading` as SQuAD, `translation` as WMT."""
        count = self._settings.questions
        return {
            "facts": list(self.facts.rows(self._source("facts"))),
            "reading": list(reading.rows(self._source("reading"), count)),
            "translation": list(self.language.rows(self._source("translation"), count)),
        }

    def gold(self, prompt: str, reply: str) -> float:
        """Return the gold score of a reply to one of the world's prompts.

        Raises:
            KeyError: the prompt is not of this world.
        """
        return gold_score(self.talk.requests[prompt], reply)

    def _dialogue(self, source: random.Random) -> list[Sample]:
        request = source.choice(self._requests)
        return [Sample(request.prompt, self.talk.reply(request, source))]

    def _pairs(self, requests: Sequence[Request], count: int, purpose: str) -> list[Pair]:
        source = self._source(purpose)
        return list(islice(self._endless_pairs(requests, source), count))

    def _endless_pairs(self, requests: Sequence[Request], source: random.Random) -> Iterator[Pair]:
        while True:
            request = source.choice(requests)
            first, second = (self.talk.reply(request, source) for _ in range(2))
            lead = gold_score(request, first) - gold_score(request, second)
            if lead:
                if source.random() > 1 / (1 + math.exp(-self._settings.decisiveness * lead)):
                    first, second = second, first
                yield Pair(request.prompt, first, second)
