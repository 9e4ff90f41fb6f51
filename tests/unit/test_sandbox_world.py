"""The sandbox world: the same for one seed, complete in its words, its gold score as it says."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from ama.data.dialogue import ASSISTANT, HUMAN
from ama.data.labelled_blocks import IGNORED
from ama.data.samples import Sample
from ama.errors import UserError
from ama.evaluation.measures.gold import gold_numbers
from ama.sandbox.gold import gold_of
from ama.sandbox.rows import rows_of
from ama.sandbox.talk import ADVICE, CLOSINGS, OPENINGS, REFUSALS, Manner, gold_score
from ama.sandbox.words import word_tokenizer, words_of
from ama.sandbox.world import World
from ama.settings.sandbox import WorldSettings

SMALL = WorldSettings(
    animals=20, nouns=6, lessons=3000, pairs=200, held_out_pairs=50, held_out_prompts=64, questions=40
)


@pytest.fixture(scope="module")
def world() -> World:
    return World(3, SMALL)


def test_a_seed_is_a_world(world: World) -> None:
    again, other = World(3, SMALL), World(4, SMALL)
    assert again.lessons() == world.lessons()
    assert again.pairs() == world.pairs()
    assert again.tasks() == world.tasks()
    assert other.lessons() != world.lessons()
    assert other.tasks() != world.tasks()


@pytest.mark.parametrize("seed", range(4))
def test_no_text_has_a_word_that_the_world_does_not_know(seed: int) -> None:
    world = World(seed, SMALL)
    known = set(world.words())
    pairs = [*world.pairs(), *world.held_out_pairs()]
    texts = [*_lesson_texts(world), *world.prompts(), *world.held_out_prompts()]
    texts += [text for pair in pairs for text in (pair.prompt, pair.chosen, pair.rejected)]
    assert set(words_of(texts)) <= known
    rows = [str(value) for rows in world.tasks().values() for row in rows for value in _texts(row)]
    assert set(words_of(rows)) <= known


def _lesson_texts(world: World) -> list[str]:
    return [f"{sample.prompt}{sample.reply}" for lesson in world.lessons() for sample in lesson]


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
    assert not held_out & {sample.prompt for lesson in world.lessons() for sample in lesson}


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


def test_lessons_are_laid_out_as_the_tasks_ask(world: World) -> None:
    begins = Counter(sample.prompt.split()[0] for lesson in world.lessons() for sample in lesson[:1])
    assert {"Question:", "Title:", "French", "###Human:", "the"} == set(begins)
    facts = {row["question"]: row["choices"] for row in world.tasks()["facts"]}
    asked = [lesson[0] for lesson in world.lessons() if lesson[0].prompt.startswith("Question:")]
    for sample in asked:
        question = sample.prompt.removeprefix("Question: ").removesuffix("\nAnswer:")
        assert sample.reply.strip() in facts[question]["text"]


def test_rows_hold_whole_lessons_and_learn_replies(world: World) -> None:
    tokenizer = word_tokenizer(world.words())
    lessons = world.lessons()
    ids, labels = rows_of(lessons, tokenizer, 64, 0.0, 0)
    assert ids.shape == labels.shape
    assert ids.shape[1] == 64
    counted = labels[labels != IGNORED]
    assert torch.equal(counted, ids[labels != IGNORED])
    replies = [sample.reply for lesson in lessons for sample in lesson]
    tokens = [
        token for reply in replies for token in [*tokenizer(reply)["input_ids"], tokenizer.eos_token_id]
    ]
    assert sorted(counted.tolist()) == sorted(tokens)
    texts = "\n".join(tokenizer.batch_decode(ids))
    for lesson in lessons[:200]:
        whole = "".join(f"{sample.prompt}{sample.reply} <end> " for sample in lesson)
        assert (
            " ".join(whole.replace(HUMAN, f"{HUMAN} ").replace(ASSISTANT, f" {ASSISTANT} ").split()) in texts
        )


def test_prompts_count_by_their_share(world: World) -> None:
    tokenizer = word_tokenizer(world.words())
    none, some, all_ = (rows_of(world.lessons(), tokenizer, 64, share, 0)[1] for share in (0.0, 0.1, 1.0))
    counts = [(labels != IGNORED).sum().item() for labels in (none, some, all_)]
    assert (counts[1] - counts[0]) / (counts[2] - counts[0]) == pytest.approx(0.1, abs=0.01)
    again = rows_of(world.lessons(), tokenizer, 64, 0.1, 0)[1]
    assert torch.equal(again, some)


def test_a_lesson_that_fits_in_no_row_is_a_mistake(world: World) -> None:
    with pytest.raises(UserError, match=r"a lesson of \d+ tokens does not fit in a row of 8"):
        rows_of(world.lessons(), word_tokenizer(world.words()), 8, 0.0, 0)


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A folder that says which world it holds, as a built one does."""
    (tmp_path / "sandbox.json").write_text(json.dumps({"seed": 3, "settings": {"world": asdict(SMALL)}}))
    return tmp_path


def test_the_gold_score_of_samples(world: World, sandbox: Path) -> None:
    first, second = world.held_out_prompts()[:2]
    right = world.talk.requests[first].right
    samples = [Sample(first, f" {right}"), Sample(first, f" {REFUSALS[0]}"), Sample(second, " ok .")]
    assert gold_of(sandbox, samples) == [1.0, -1.0, -0.5]
    (number,) = gold_numbers(sandbox, samples)
    # Over the replies to a prompt first: 0 and -0.5.
    assert (number.metric, number.value, number.n) == ("gold", -0.25, 2)
    assert number.stderr == pytest.approx(0.25)


def test_mistakes_with_the_gold_score(sandbox: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not of the world in"):
        gold_of(sandbox, [Sample("###Human: who ?###Assistant:", " me")])
    with pytest.raises(UserError, match="no replies"):
        gold_numbers(sandbox, [])
    with pytest.raises(UserError, match="holds no sandbox"):
        gold_of(tmp_path / "elsewhere", [])
    (sandbox / "sandbox.json").write_text("{}")
    with pytest.raises(UserError, match=r"sandbox\.json names no world of this version"):
        gold_of(sandbox, [])
