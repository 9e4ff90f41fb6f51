"""Rows of the evaluation sets, and the choice of a repository's files."""

import ast
from typing import Any

import pytest
from support.eval_rows import NOTHING

from ama.data.eval_sets.sets import DROP, EVAL_SETS, drop_simple_row, stock_row
from ama.data.eval_sets.source import choose_files
from ama.errors import UserError

SETS = {eval_set.task: eval_set for eval_set in EVAL_SETS}


def test_race_problems_are_a_python_literal() -> None:
    problems = [{"question": 'it\'s "so"?', "options": ["a\nb"], "answer": "A"}]
    row = stock_row(SETS["race"], {"article": "x", "problems": problems}, "here")
    assert ast.literal_eval(row["problems"]) == problems
    assert stock_row(SETS["race"], row, "here") == row


@pytest.mark.parametrize("row", [[], None, {"article": "x"}, {"article": "x", "problems": None}])
def test_a_row_without_its_fields_is_refused(row: object) -> None:
    with pytest.raises(UserError, match=r"^here: needs '(article|problems)', as EleutherAI/race has it$"):
        stock_row(SETS["race"], row, "here")


def _answer(number: object = "", spans: list[str] | None = None, **date: str) -> dict[str, Any]:
    return {"number": number, "spans": spans or [], "date": {**NOTHING, **date}}


@pytest.mark.parametrize(
    ("answer", "others", "expected"),
    [
        (_answer("3"), [], "3"),
        (_answer(3), [_answer("3"), _answer("4")], "3|4"),
        (_answer(spans=["a", "b"]), [_answer(spans=["a"]), _answer()], "a, b|a"),
        (_answer(day="4", month="July", year="1776"), [], "4 July 1776"),
        (_answer(year="1776"), [_answer(spans=["x|y"])], "1776|x/y"),
    ],
)
def test_accepted_answers_of_drop(
    answer: dict[str, Any], others: list[dict[str, Any]], expected: str
) -> None:
    validated = {key: [other[key] for other in others] for key in ("number", "date", "spans")}
    row = {"passage": "P", "question": "Q", "answer": answer, "validated_answers": validated}
    assert drop_simple_row(row) == {"context": "Passage: P\nQuestion: Q\nAnswer:", "ref_text": expected}


@pytest.mark.parametrize(
    ("task", "names", "card", "chosen"),
    [
        (
            "arc_easy",
            [
                "ARC-Challenge/test-0.parquet",
                "ARC-Easy/test-00000-of-00001.parquet",
                "ARC-Easy/train-0.parquet",
            ],
            {},
            {"train": ["ARC-Easy/train-0.parquet"], "test": ["ARC-Easy/test-00000-of-00001.parquet"]},
        ),
        (
            "wmt14-fr-en",
            ["fr-en/train-0.parquet", "fr-en/validation-0.parquet", "de-en/test-0.parquet"],
            {},
            {"validation": ["fr-en/validation-0.parquet"]},
        ),
        ("drop", ["default/train/0000.parquet", "default/train/0001.parquet"], {}, None),
        (
            "drop",
            ["train.jsonl", "testing.jsonl", "data/test.csv", "a/validation.jsonl"],
            {},
            ["train.jsonl"],
        ),
        (
            "piqa",
            ["x/1.parquet", "x/2.parquet", "data/train-0.parquet"],
            {"configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "x/*"}]}]},
            ["x/1.parquet", "x/2.parquet"],
        ),
        (
            "piqa",
            ["x/1.jsonl", "y/2.jsonl"],
            {
                "configs": [
                    {"config_name": "default", "data_files": [{"split": "train", "path": ["y/2.jsonl"]}]}
                ]
            },
            ["y/2.jsonl"],
        ),
        (
            "piqa",
            ["plain_text/train-0.parquet"],
            {
                "configs": [
                    {
                        "config_name": "plain_text",
                        "data_files": [{"split": "train", "path": "plain_text/train-*"}],
                    }
                ]
            },
            ["plain_text/train-0.parquet"],
        ),
        ("piqa", ["piqa.py", "train.csv"], {"configs": None}, {}),
    ],
)
def test_the_files_of_a_split(task: str, names: list[str], card: dict[str, Any], chosen: Any) -> None:
    expected = {"train": chosen} if isinstance(chosen, list) else chosen
    expected = {"train": names} if chosen is None else expected
    assert choose_files(SETS[task], names, card) == expected


def test_every_task_has_its_splits() -> None:
    assert DROP in EVAL_SETS
    for eval_set in EVAL_SETS:
        assert {eval_set.scored, eval_set.shots or eval_set.scored} <= {*eval_set.splits}
