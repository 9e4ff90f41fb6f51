"""What lm-eval reports of a task, as numbers with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ama.data.eval_sets.squad_v2 import answer_scores
from ama.evaluation.items import Items, bleu_items, mean_items
from ama.evaluation.measure import Number, standard_error


def task_numbers(
    results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], count: int
) -> list[Number]:
    """Return every number of a task, with its items where it is a mean or corpus BLEU of its own filter.

    Args:
        results: lm-eval's results of the task, keys such as `acc,none` and `acc_stderr,none`.
        samples: lm-eval's record of every item, in the order of the data.
        count: of items.
    """
    numbers = []
    for key, value in results.items():
        metric, comma, filter_name = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, (int, float)):
            continue
        own = [
            sample[metric] for sample in samples if sample.get("filter") == filter_name and metric in sample
        ]
        items = _items(metric, own)
        stderr = results.get(f"{metric}_stderr,{filter_name}")
        known = isinstance(stderr, float) and math.isfinite(stderr)
        error = stderr if known else None if items is None else items.stderr()
        name = metric if filter_name == "none" else f"{metric},{filter_name}"
        numbers.append(Number(name, float(value), error, count, items))
    return numbers


def _items(metric: str, values: Sequence[Any]) -> Items | None:
    if metric == "bleu" and values:
        # lm-eval's metric is given pairs of reference and reply.
        return bleu_items([reply for _, reply in values], [_first(reference) for reference, _ in values])
    if values and all(isinstance(value, (bool, int, float)) for value in values):
        return mean_items(values)
    return None


def _first(reference: Any) -> str:
    return str(reference if isinstance(reference, str) else reference[0])


def squad_numbers(results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> list[Number]:
    """Return SQuAD's numbers, each with its number of questions and, if it is a mean, error and items.

    Args:
        results: as in `task_numbers`.
        samples: lm-eval's record of every question.
    """
    pairs = [(sample["exact"][0]["prediction_text"], sample["exact"][1]["answers"]) for sample in samples]
    numbers = []
    for found in task_numbers(results, [], len(pairs)):
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
            error = standard_error(values)
            numbers.append(Number(found.metric, found.value, error, len(values), mean_items(values)))
    return numbers
