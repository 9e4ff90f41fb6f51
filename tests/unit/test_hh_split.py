"""Who trains, who tests, who is held out: shares, leaks, prompts."""

from dataclasses import replace

import pytest

from ama.data.hh_rlhf.part import Part, Row, estimate_tokens
from ama.data.hh_rlhf.split import split_rows
from ama.errors import UserError
from ama.settings.data import HHSplitSettings, Leak

SETTINGS = HHSplitSettings(held_out_share=0.25)


def _row(opening: str, more: str = "", tokens: int = 9, reply: str = " Yes.") -> Row:
    return Row(f"###Human: {opening}###Assistant:{more}", reply, " No.", tokens)


def _part(rows: list[Row]) -> Part:
    return Part("subset/split.jsonl.gz", "", len(rows), {}, rows)


def _rows(name: str, count: int) -> list[Row]:
    return [_row(f"{name} {number}") for number in range(count)]


def _openings(rows: list[Row]) -> set[str]:
    return {row.prompt.split("###")[1] for row in rows}


def test_files_decide_where_both_are_there() -> None:
    train, test = _rows("train", 50), _rows("test", 400)
    rows = split_rows({("a", "train"): _part(train), ("a", "test"): _part(test)}, SETTINGS)
    assert rows.train == train
    assert sorted(rows.test + rows.held_out) == sorted(test)
    assert not set(rows.test) & set(rows.held_out)
    assert len(rows.held_out) == pytest.approx(100, abs=30)
    assert rows.notes == []


def test_a_missing_file_is_told_and_made_up_for_only_if_asked() -> None:
    parts = {("a", "test"): _part(_rows("x", 500))}
    whole = split_rows(parts, SETTINGS)
    assert (len(whole.train), len(whole.test) + len(whole.held_out)) == (0, 500)
    assert "a has no train file" in whole.notes[0]
    shared = split_rows(parts, replace(SETTINGS, train_share=0.8))
    assert len(shared.train) == pytest.approx(400, abs=40)
    assert len(shared.train) + len(shared.test) + len(shared.held_out) == 500
    assert not set(shared.train) & {*shared.test, *shared.held_out}
    assert f"{len(shared.train)} of its 500 rows train" in shared.notes[0]


def test_dialogues_of_one_opening_stay_together() -> None:
    rows = [_row(f"{n // 5}", f" reply {n}###Human: more###Assistant:") for n in range(500)]
    shared = split_rows({("a", "train"): _part(rows)}, replace(SETTINGS, train_share=0.5, held_out_share=0.5))
    groups = [_openings(part) for part in (shared.train, shared.test, shared.held_out)]
    assert all(groups)
    assert sum(map(len, groups)) == 100
    halves = shared.eval_halves
    assert abs(len(halves[0]) - len(halves[1])) <= 1
    assert len({*halves[0]} & {*halves[1]}) == 0


def test_the_seed_decides_and_other_subsets_do_not() -> None:
    settings = replace(SETTINGS, train_share=0.5)
    a, b = {("a", "test"): _part(_rows("x", 100))}, {("b", "test"): _part(_rows("y", 100))}
    alone, together = split_rows(a, settings), split_rows({**a, **b}, settings)
    assert alone == split_rows(a, settings)
    assert set(alone.train) <= set(together.train)
    assert set(alone.held_out) <= set(together.held_out)
    assert alone.train != split_rows(a, replace(settings, seed=1)).train


def test_test_rows_that_training_has_are_dropped() -> None:
    train = [_row("Same  question"), _row("Same opening", " a###Human: b###Assistant:")]
    test = [_row("same question "), _row("Same opening", " other###Human: c###Assistant:"), _row("New")]
    parts = {("a", "train"): _part(train), ("a", "test"): _part(test)}
    by_prompt = split_rows(parts, SETTINGS)
    assert by_prompt.leaked == 1
    assert sorted(by_prompt.test + by_prompt.held_out) == sorted(test[1:])
    by_opening = split_rows(parts, replace(SETTINGS, leak=Leak.OPENING))
    assert by_opening.leaked == 2
    assert by_opening.test + by_opening.held_out == test[2:]
    assert by_prompt.train == by_opening.train == train


def test_prompts_come_once_and_fit() -> None:
    train = [_row("a"), _row("long", tokens=257), _row("a", reply=" Sure."), _row("edge", tokens=256)]
    rows = split_rows({("a", "train"): _part(train), ("a", "test"): _part([])}, SETTINGS)
    assert rows.prompts.texts == [train[0].prompt, train[3].prompt]
    assert (rows.prompts.long, rows.prompts.repeated) == (1, 1)
    assert rows.train == train


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_share": 0.0}, "--train_share 0.0: give a number in \\(0, 1\\)"),
        ({"train_share": 1.0}, "--train_share 1.0"),
        ({"train_share": float("nan")}, "--train_share nan"),
        ({"held_out_share": 1.1}, "--held_out_share 1.1: give a number in \\[0, 1\\]"),
        ({"held_out_share": -0.1}, "--held_out_share -0.1"),
    ],
)
def test_shares_have_a_range(changes: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        replace(SETTINGS, **changes)  # type: ignore[arg-type]


def test_without_a_tokenizer_a_token_is_four_characters() -> None:
    assert estimate_tokens(["", "a", "abcd", "abcde"]) == [0, 1, 1, 2]
