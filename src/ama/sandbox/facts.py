"""The sandbox world's common sense: facts about invented animals, told as sentences and as questions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ama.data.samples import Sample
from ama.sandbox.words import invent_words


@dataclass(frozen=True)
class Relation:
    """Something that is known of each animal.

    Attributes:
        values: what it can be.
        question: with `{animal}`.
        request: the same in a dialogue, after `can you`.
        statement: with `{animal}` and `{value}`.
    """

    values: tuple[str, ...]
    question: str
    request: str
    statement: str


RELATIONS = {
    "home": Relation(
        ("forest", "river", "desert", "mountain", "cave", "swamp", "island", "meadow"),
        "where does the {animal} sleep ?",
        "say where the {animal} sleeps",
        "the {animal} sleeps in the {value} .",
    ),
    "food": Relation(
        ("grass", "fish", "honey", "nuts", "worms", "berries", "seeds", "leaves"),
        "what does the {animal} like to eat ?",
        "say what the {animal} eats",
        "the {animal} eats {value} .",
    ),
    "color": Relation(
        ("red", "blue", "green", "white", "black", "brown", "gray", "yellow"),
        "which color has the {animal} ?",
        "say which color the {animal} has",
        "the {animal} has the color {value} .",
    ),
}


class Facts:
    """What is true of the animals of one world.

    Attributes:
        animals: their invented names.
    """

    def __init__(self, source: random.Random, animals: int) -> None:
        """Invent animals, and draw what is true of each."""
        self.animals = invent_words(source, animals, 2)
        self._values = {
            (animal, name): source.choice(relation.values)
            for animal in self.animals
            for name, relation in RELATIONS.items()
        }

    def value(self, animal: str, relation: str) -> str:
        """Return what is true."""
        return self._values[animal, relation]

    def statement(self, animal: str, relation: str, value: str) -> str:
        """Return the sentence that says so, true or not."""
        return RELATIONS[relation].statement.format(animal=animal, value=value)

    def lesson(self, source: random.Random) -> list[Sample]:
        """Return a lesson: a fact, as a sentence or as question and answer; its value is what to learn."""
        animal, name = source.choice(self.animals), source.choice(list(RELATIONS))
        relation, value = RELATIONS[name], self.value(animal, name)
        if source.random() < 0.5:
            told, end = relation.statement.format(animal=animal, value="\n").split(" \n")
            return [Sample(told, f" {value}{end}")]
        return [Sample(f"Question: {relation.question.format(animal=animal)}\nAnswer:", f" {value}")]

    def rows(self, source: random.Random) -> Iterator[dict[str, Any]]:
        """Yield each fact as a row of ARC: a question with four choices."""
        for number, ((animal, name), value) in enumerate(self._values.items()):
            relation = RELATIONS[name]
            choices = [*source.sample([other for other in relation.values if other != value], 3), value]
            source.shuffle(choices)
            yield {
                "id": f"fact-{number}",
                "question": relation.question.format(animal=animal),
                "choices": {"text": choices, "label": list("ABCD")},
                "answerKey": "ABCD"[choices.index(value)],
            }
