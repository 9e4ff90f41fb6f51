"""The sandbox world's dialogues: requests, replies of mixed quality, and the gold score."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import product

from ama.data.dialogue import ASSISTANT, HUMAN
from ama.sandbox.facts import RELATIONS, Facts
from ama.sandbox.reading import KINDS, THINGS


class Manner(IntEnum):
    """How a reply begins or ends; the value is what that adds to its gold score."""

    BAD = -1
    PLAIN = 0
    GOOD = 1


OPENINGS = {
    Manner.GOOD: (
        "of course , i am glad to help .",
        "thank you for asking .",
        "a good question , let us see .",
    ),
    Manner.PLAIN: ("ok .", "well .", ""),
    Manner.BAD: ("leave me alone .", "what a silly question .", "you bother me ."),
}
CLOSINGS = {
    Manner.GOOD: ("please ask again if you need more help .", "i hope this helps , have a nice day ."),
    Manner.PLAIN: ("that is all .", ""),
    Manner.BAD: ("now go away .", "do not come back ."),
}
REFUSALS = ("i do not know .", "i do not care .")
ADVICE = {
    "clean": "you can use warm water and soap .",
    "repair": "you can read the manual and use a tool .",
    "sell": "you can take a picture and set a price .",
    "find": "you can check every room and ask a friend .",
    "carry": "you can hold it with two hands .",
    "paint": "you can use a brush and wait one day .",
}
GREETINGS = ("", "hello ,", "please ,", "hi there ,")
_WRONG = -0.5


@dataclass(frozen=True)
class Request:
    """What the human wants.

    Attributes:
        prompt: the dialogue up to the mark of the assistant.
        right: the sentence that answers it.
        wrong: sentences that look like an answer.
    """

    prompt: str
    right: str
    wrong: tuple[str, ...]


class Talk:
    """Dialogues of a world with its facts.

    Attributes:
        requests: all there are by their prompt, in an order drawn once.
    """

    def __init__(self, facts: Facts, source: random.Random) -> None:
        """Take the facts that requests are about, and put all requests in order."""
        found = [*_about_facts(facts), *_about_things()]
        source.shuffle(found)
        self.requests = {request.prompt: request for request in found}

    def reply(self, request: Request, source: random.Random) -> str:
        """Draw a reply: beginning, content and end are good, plain or bad by chance."""
        opening, closing = (
            source.choice(texts[source.choices(list(Manner), (0.3, 0.4, 0.3))[0]])
            for texts in (OPENINGS, CLOSINGS)
        )
        kinds = (request.right, source.choice(request.wrong), source.choice(REFUSALS))
        content = source.choices(kinds, (0.6, 0.15, 0.25))[0]
        return " " + " ".join(part for part in (opening, content, closing) if part)


def _about_facts(facts: Facts) -> Iterator[Request]:
    for animal, (name, relation) in product(facts.animals, RELATIONS.items()):
        said = {value: facts.statement(animal, name, value) for value in relation.values}
        right = said.pop(facts.value(animal, name))
        for greeting in GREETINGS:
            asked = f"can you {relation.request.format(animal=animal)} ?"
            yield Request(_prompt(greeting, asked), right, tuple(said.values()))


def _about_things() -> Iterator[Request]:
    for task, kind, thing, greeting in product(ADVICE, KINDS, THINGS, GREETINGS):
        wrong = tuple(advice for other, advice in ADVICE.items() if other != task)
        yield Request(_prompt(greeting, f"how do i {task} my {kind} {thing} ?"), ADVICE[task], wrong)


def _prompt(greeting: str, asked: str) -> str:
    return f"{HUMAN} {' '.join(part for part in (greeting, asked) if part)}{ASSISTANT}"


def gold_score(request: Request, reply: str) -> float:
    """Return how good a reply is by rule, between -3 and 3: what the reward model only guesses at.

    A good beginning and a good end add 1 each, a bad one takes 1 away wherever the sentence stands; the right
    answer adds 1, a refusal takes 1 away, anything else a half.
    """
    said = " ".join(reply.split())
    score = sum(said.startswith(text) for text in OPENINGS[Manner.GOOD])
    score -= any(text in said for text in OPENINGS[Manner.BAD])
    score += sum(said.endswith(text) for text in CLOSINGS[Manner.GOOD])
    score -= any(text in said for text in CLOSINGS[Manner.BAD])
    if any(text in said for text in REFUSALS):
        return score - 1.0
    return score + (1.0 if request.right in said else _WRONG)
