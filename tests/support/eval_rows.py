"""Made-up rows of the evaluation sets, in the schema of the real ones."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NOTHING = {"day": "", "month": "", "year": ""}
CHOICES = {"text": ["one", "two", "three", "four"], "label": ["A", "B", "C", "D"]}


def _arc(number: int) -> dict[str, Any]:
    return {"id": f"q{number}", "question": f"Which is {number}?", "choices": CHOICES, "answerKey": "B"}


def _piqa(number: int) -> dict[str, Any]:
    return {
        "goal": f"Count to {number}.",
        "sol1": "Begin at one.",
        "sol2": "Begin at two.",
        "label": number % 2,
    }


def _race(number: int) -> dict[str, Any]:
    problem = {
        "question": "How many? It's  _  .",
        "answer": "C",
        "options": ["1", "2", f"{number}", 'it\'s "4"'],
    }
    return {"article": f"There were {number}.", "problems": [problem, problem]}


def _boolq(number: int) -> dict[str, Any]:
    return {"question": f"is {number} even", "passage": "Numbers.", "idx": number, "label": number % 2}


def _drop(number: int) -> dict[str, Any]:
    spans = ["two | 2", "both"] if number % 2 else []
    answer = {
        "number": "" if spans else str(number),
        "date": NOTHING,
        "spans": spans,
        "worker_id": "",
        "hit_id": "",
    }
    validated = {"number": [""], "date": [{**NOTHING, "day": "4", "month": "July"}], "spans": [[]]}
    others = {**validated, "worker_id": [""], "hit_id": [""]}
    texts = {
        "section_id": "s",
        "passage": f"There were {number}.",
        "question": "How many?",
        "query_id": f"d{number}",
    }
    return {**texts, "answer": answer, "validated_answers": others}


def _squad(number: int) -> dict[str, Any]:
    answers: dict[str, list[Any]] = (
        {"text": ["Paris"], "answer_start": [0]} if number % 2 else {"text": [], "answer_start": []}
    )
    return {
        "id": f"s{number}",
        "title": "Paris",
        "context": "Paris it is.",
        "question": "Where?",
        "answers": answers,
    }


def _wmt(number: int) -> dict[str, Any]:
    return {"translation": {"fr": f"Le numéro {number}", "en": f"Number {number}"}}


ROWS = {
    "ai2_arc/ARC-Easy/test": _arc,
    "ai2_arc/ARC-Challenge/test": _arc,
    "piqa/validation": _piqa,
    "race_eleutherai/high/test": _race,
    "super_glue_boolq/validation": _boolq,
    "drop/validation": _drop,
    "squad_v2/validation": _squad,
    "wmt14/fr-en/newstest2013": _wmt,
}


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def eval_source(folder: Path, count: int = 6) -> Path:
    """Write every set with the splits that the shared samples have, and return the folder."""
    for name, make in ROWS.items():
        write_lines(folder / f"{name}.jsonl", map(make, range(1, count + 1)))
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
