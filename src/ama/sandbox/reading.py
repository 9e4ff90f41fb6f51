"""The sandbox world's reading: who took what, where, when and with whom, asked of a sentence."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from ama.data.samples import Sample

NAMES = ("tom", "anna", "bob", "lisa", "max", "emma", "paul", "sara")
PLACES = ("kitchen", "garden", "school", "market", "office", "library", "station", "park")
KINDS = ("old", "new", "big", "small", "heavy", "clean")
THINGS = ("ball", "book", "lamp", "key", "coat", "cup", "box", "map")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TITLE = "story"


class Asked(NamedTuple):
    """A question about a passage, and the words of the passage that answer it."""

    question: str
    answer: str


def passage(source: random.Random) -> tuple[str, list[Asked]]:
    """Return a sentence that tells three or four things in some order, and a question about each of them."""
    name, other = source.sample(NAMES, 2)
    thing, place = f"the {source.choice(KINDS)} {source.choice(THINGS)}", f"the {source.choice(PLACES)}"
    day = source.choice(DAYS)
    rest = [
        (f"to {place}", Asked(f"where did {name} go ?", place)),
        (f"on {day}", Asked(f"when did {name} go ?", day)),
        (f"with {other}", Asked(f"who went with {name} ?", other)),
    ]
    told = source.sample(rest, source.randint(2, 3))
    asked = [Asked(f"what did {name} take ?", thing), *(question for _, question in told)]
    source.shuffle(asked)
    return " ".join((name, "took", thing, *(text for text, _ in told), ".")), asked


def lesson(source: random.Random) -> list[Sample]:
    """Return a lesson: a passage with all its questions, laid out as lm-eval asks SQuAD's."""
    told, asked = passage(source)
    samples = [Sample(f"Question: {question}\n\nAnswer:", f" {answer}") for question, answer in asked]
    begun = Sample(f"Title: {TITLE}\n\nBackground: {told}\n\n{samples[0].prompt}", samples[0].reply)
    return [begun, *samples[1:]]


def rows(source: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Yield rows of SQuAD 2.0, each with a passage of its own; all can be answered."""
    for number in range(count):
        told, asked = passage(source)
        question, answer = source.choice(asked)
        yield {
            "id": f"reading-{number}",
            "title": TITLE,
            "context": told,
            "question": question,
            "answers": {"text": [answer], "answer_start": [told.index(answer)]},
        }
