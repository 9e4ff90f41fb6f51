"""SQuAD's metric gives the numbers of the official evaluation script, which were computed with it."""

import pytest

from ama.data.eval_sets.squad_v2 import answer_scores, squad_v2

ROWS = [
    ("The Normans", ["Normans", "the normans of France"], 0.1),
    ("in 1066, A.D.", ["1066"], 0.2),
    ("", ["Paris"], 0.9),
    ("", [], 0.8),
    ("London", [], 0.3),
    ("Paris is it", ["Paris"], 0.25),
    ("a", ["the"], 0.05),
    ("cafe", ["café"], 0.4),
]
PREDICTIONS = [
    {"id": str(number), "prediction_text": text, "no_answer_probability": doubt}
    for number, (text, _, doubt) in enumerate(ROWS)
]
REFERENCES = [
    {"id": str(number), "answers": {"text": answers, "answer_start": [0] * len(answers)}}
    for number, (_, answers, _) in enumerate(ROWS)
]
OFFICIAL = {
    "exact": 37.5,
    "f1": 50.0,
    "total": 8,
    "HasAns_exact": 33.333333333333336,
    "HasAns_f1": 50.0,
    "HasAns_total": 6,
    "NoAns_exact": 50.0,
    "NoAns_f1": 50.0,
    "NoAns_total": 2,
    "best_exact": 50.0,
    "best_exact_thresh": 0.1,
    "best_f1": 62.5,
    "best_f1_thresh": 0.25,
}
OFFICIAL_DOUBTFUL = {**OFFICIAL, "exact": 50.0, "f1": 50.0, "NoAns_exact": 100.0, "NoAns_f1": 100.0}
OFFICIAL_DOUBTFUL |= {"HasAns_f1": 33.333333333333336}


@pytest.mark.parametrize(("threshold", "official"), [(1.0, OFFICIAL), (0.15, OFFICIAL_DOUBTFUL)])
def test_the_official_numbers(threshold: float, official: dict[str, float]) -> None:
    assert squad_v2(PREDICTIONS, REFERENCES, threshold) == official


def test_parts_without_questions_are_left_out() -> None:
    answered = [row for row in REFERENCES if row["answers"]["text"]]
    found = squad_v2([PREDICTIONS[int(row["id"])] for row in answered], answered)
    assert not [name for name in found if name.startswith("NoAns")]
    assert found["exact"] == found["HasAns_exact"]


def test_words_articles_case_and_punctuation() -> None:
    assert answer_scores("The  U.S. army", ["us Army", "no"]) == (1, 1.0)
    assert answer_scores("an army of the us", ["us"]) == (0, pytest.approx(2 * (1 / 3) / (4 / 3)))
    assert answer_scores("", []) == (1, 1.0)
    assert answer_scores("x", []) == (0, 0.0)
