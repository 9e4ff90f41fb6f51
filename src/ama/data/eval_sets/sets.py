"""The evaluation sets: where each comes from, and what a row of it needs for lm-eval's stock task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ama.errors import UserError

SPLITS = ("train", "validation", "test")
DEFAULT = "default"


@dataclass(frozen=True)
class EvalSet:
    """One configuration of a repository on the hub.

    Attributes:
        repo: owner/name, as the stock task asks for it.
        config: its configuration; `default` where there is one only.
        task: lm-eval's stock task on it.
        scored: the split that the task scores.
        shots: the split that it takes few-shot examples from, without which it does not even load; None if
            that is the scored one.
        local: its folder in a local source, with a file for each split.
        fields: each row has them.
        splits: those that are taken.
        aliases: other names of a split's local file.
    """

    repo: str
    config: str
    task: str
    scored: str
    shots: str | None
    local: str
    fields: tuple[str, ...]
    splits: tuple[str, ...] = SPLITS
    aliases: Mapping[str, str] = field(default_factory=dict)


_ARC = ("id", "question", "choices", "answerKey")
_DROP = ("passage", "question", "query_id", "answer", "validated_answers")
_SQUAD = ("id", "title", "context", "question", "answers")
_BOOLQ = ("question", "passage", "label")
DROP = EvalSet("EleutherAI/drop", DEFAULT, "drop", "validation", "train", "drop", _DROP)
SQUAD = EvalSet("lighteval/squad_v2", DEFAULT, "squadv2", "validation", "train", "squad_v2", _SQUAD)
EVAL_SETS = (
    EvalSet("allenai/ai2_arc", "ARC-Easy", "arc_easy", "test", "train", "ai2_arc/ARC-Easy", _ARC),
    EvalSet(
        "allenai/ai2_arc", "ARC-Challenge", "arc_challenge", "test", "train", "ai2_arc/ARC-Challenge", _ARC
    ),
    EvalSet("baber/piqa", DEFAULT, "piqa", "validation", "train", "piqa", ("goal", "sol1", "sol2", "label")),
    EvalSet("EleutherAI/race", "high", "race", "test", None, "race_eleutherai/high", ("article", "problems")),
    EvalSet("aps/super_glue", "boolq", "boolq", "validation", "train", "super_glue_boolq", _BOOLQ),
    DROP,
    SQUAD,
    EvalSet(
        "wmt/wmt14",
        "fr-en",
        "wmt14-fr-en",
        "test",
        "validation",
        "wmt14/fr-en",
        ("translation",),
        # Its training split has 40 million rows, and the task reads none.
        splits=("validation", "test"),
        aliases={"newstest2013": "validation", "newstest2014": "test"},
    ),
)


def stock_row(eval_set: EvalSet, row: Any, place: str) -> dict[str, Any]:
    """Return a row as the stock task reads it.

    Raises:
        UserError: it is no object, or lacks a field; names place and field.
    """
    for name in eval_set.fields:
        if not isinstance(row, dict) or row.get(name) is None:
            raise UserError(f"{place}: needs {name!r}, as {eval_set.repo} has it")
    if isinstance(row.get("problems"), list):
        # The task evaluates RACE's problems as a Python literal.
        return {**row, "problems": repr(row["problems"])}
    return dict(row)


def drop_simple_row(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row of DROP as OpenCompass's drop_gen reads it: `context` and the accepted answers, by `|`."""
    validated = row["validated_answers"]
    keys = ("number", "date", "spans")
    others = [
        dict(zip(keys, values, strict=True)) for values in zip(*(validated[k] for k in keys), strict=True)
    ]
    answers = dict.fromkeys(_answer(answer).replace("|", "/") for answer in (row["answer"], *others))
    context = f"Passage: {row['passage']}\nQuestion: {row['question']}\nAnswer:"
    return {"context": context, "ref_text": "|".join(answer for answer in answers if answer)}


def _answer(answer: Mapping[str, Any]) -> str:
    if str(answer["number"]).strip():
        return str(answer["number"]).strip()
    if len(answer["spans"]):
        return ", ".join(answer["spans"])
    date = answer["date"]
    return " ".join(str(date[part]) for part in ("day", "month", "year")).strip()
