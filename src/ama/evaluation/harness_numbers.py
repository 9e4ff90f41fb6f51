"""What lm-eval reports of a task, as numbers with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ama.evaluation.recording import Number, standard_error


def task_numbers(results: Mapping[str, Any], count: int) -> list[Number]:
    """Return every number of a task.

    Args:
        results: lm-eval's results of the task, keys such as `acc,none` and `acc_stderr,none`.
        count: of items.
    """
    numbers = []
    for key, value in results.items():
        metric, comma, filter_name = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, (int, float)):
            continue
        stderr = results.get(f"{metric}_stderr,{filter_name}")
        error = stderr if isinstance(stderr, float) and math.isfinite(stderr) else None
        name = metric if filter_name == "none" else f"{metric},{filter_name}"
        numbers.append(Number(name, float(value), error, count))
    return numbers


def squad_numbers(results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> list[Number]:
    """Return SQuAD's numbers, each with its number of questions and, if it is a mean, its standard error.

    Args:
        results: as in `task_numbers`.
        samples: lm-eval's record of every question.
    """
    from ama.data.squad_v2 import answer_scores

    pairs = [(sample["exact"][0]["prediction_text"], sample["exact"][1]["answers"]) for sample in samples]
    numbers = []
    for found in task_numbers(results, len(pairs)):
        part, _, metric = found.metric.rpartition("_")
        if part == "best":
            numbers.append(found)
            continue
        chosen = [
            (text, gold["text"])
            for text, gold in pairs
            if not part or (part == "HasAns") == bool(gold["text"])
        ]
        column = 0 if metric == "exact" else 1
        values = [100.0 * answer_scores(text, gold)[column] for text, gold in chosen]
        if values:
            numbers.append(Number(found.metric, found.value, standard_error(values), len(values)))
    return numbers
