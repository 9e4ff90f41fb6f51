"""The sandbox world: the same for one seed, complete in its words, its gold score as it says."""

import pytest

from ama.sandbox.talk import ADVICE, CLOSINGS, OPENINGS, REFUSALS, Manner, gold_score
from ama.sandbox.words import words_of
from ama.sandbox.world import World, WorldSettings

SMALL = WorldSettings(animals=20, texts=3000, pairs=200, held_out_pairs=50, held_out_prompts=64, questions=40)


@pytest.fixture(scope="module")
def world() -> World:
    return World(3, SMALL)


def test_a_seed_is_a_world(world: World) -> None:
    again, other = World(3, SMALL), World(4, SMALL)
    assert again.texts() == world.texts()
    assert again.pairs() == world.pairs()
    assert again.tasks() == world.tasks()
    assert other.texts() != world.texts()
    assert other.tasks() != world.tasks()


@pytest.mark.parametrize("seed", range(4))
def test_no_text_has_a_word_that_the_world_does_not_know(seed: int) -> None:
    world = World(seed, SMALL)
    known = set(world.words())
    pairs = [*world.pairs(), *world.held_out_pairs()]
    texts = [*world.texts(), *world.prompts(), *world.held_out_prompts()]
    texts += [text for pair in pairs for text in (pair.prompt, pair.chosen, pair.rejected)]
    assert set(words_of(texts)) <= known
    rows = [str(value) for rows in world.tasks().values() for row in rows for value in _texts(row)]
    assert set(words_of(rows)) <= known


def _texts(row: object) -> list[str]:
    """Return the texts of a row, but for its id and letters."""
    if isinstance(row, dict):
        kept = {
            key: value
            for key, value in row.items()
            if key not in ("id", "label", "answerKey", "answer_start")
        }
        return [text for value in kept.values() for text in _texts(value)]
    return [text for value in row for text in _texts(value)] if isinstance(row, list) else [str(row)]


def test_what_is_held_out_is_not_trained_on(world: World) -> None:
    held_out = set(world.held_out_prompts())
    assert len(held_out) == SMALL.held_out_prompts
    assert not held_out & set(world.prompts())
    assert not held_out & {pair.prompt for pair in world.pairs()}
    assert {pair.prompt for pair in world.held_out_pairs()} <= held_out
    assert not [text for text in world.texts() if any(text.startswith(prompt) for prompt in held_out)]


def test_gold_scores(world: World) -> None:
    request = next(r for r in world.talk.requests.values() if r.right == ADVICE["paint"])
    good, end = OPENINGS[Manner.GOOD][0], CLOSINGS[Manner.GOOD][1]
    bad = f"{OPENINGS[Manner.BAD][0]} {REFUSALS[0]} {CLOSINGS[Manner.BAD][1]}"
    scores = [
        gold_score(request, said) for said in (f" {good} {request.right} {end}", request.right, "", bad)
    ]
    assert scores == [3.0, 1.0, -0.5, -3.0]
    assert gold_score(request, f"ok . {request.wrong[0]}") == -0.5
    assert world.gold(request.prompt, request.right) == 1.0


def test_most_pairs_prefer_the_better_reply(world: World) -> None:
    leads = [world.gold(p.prompt, p.chosen) - world.gold(p.prompt, p.rejected) for p in world.pairs()]
    assert 0.75 < sum(lead > 0 for lead in leads) / len(leads) < 1
    assert 0 not in leads


def test_one_choice_of_four_is_right(world: World) -> None:
    for row in world.tasks()["facts"]:
        right = row["choices"]["text"][row["choices"]["label"].index(row["answerKey"])]
        assert len(set(row["choices"]["text"])) == 4
        assert any(right in request.right for request in world.talk.requests.values())
