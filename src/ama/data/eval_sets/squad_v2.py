"""SQuAD 2.0's official metric, as a module that the evaluate library loads from a folder.

It stands by itself: `ama.build_eval_data` puts a copy where lm-eval's stock task finds it without internet.
"""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import evaluate

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def answer_scores(prediction: str, accepted: Sequence[str]) -> tuple[int, float]:
    """Return exact match, 0 or 1, and token F1, in [0, 1], of a prediction against its best accepted answer.

    Args:
        prediction: the answer, empty for none.
        accepted: the right answers; none where the question has no answer.
    """
    words = _words(prediction)
    golds = [gold for gold in map(_words, accepted) if gold] or [[]]
    return max(int(gold == words) for gold in golds), max(_f1(gold, words) for gold in golds)


def _words(text: str) -> list[str]:
    """Return the words of a text without case, punctuation and articles."""
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def _f1(gold: Sequence[str], words: Sequence[str]) -> float:
    if not gold or not words:
        return float(gold == words)
    shared = (Counter(gold) & Counter(words)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(words), shared / len(gold)
    return (2 * precision * recall) / (precision + recall)


def squad_v2(
    predictions: Sequence[Mapping[str, Any]], references: Sequence[Mapping[str, Any]], threshold: float = 1.0
) -> dict[str, float]:
    """Return the official numbers, in percent where they are no counts or thresholds.

    Args:
        predictions: `id`, `prediction_text`, `no_answer_probability`.
        references: `id` and `answers`, which has `text`: no text where the question has no answer.
        threshold: above this probability of no answer the prediction counts as none.

    Returns:
        `exact`, `f1` and `total` of all questions, the same with `HasAns_` and `NoAns_` of those with and
        without an answer if there are any, and the best exact match and F1 over all thresholds with them.
    """
    said = {row["id"]: row["prediction_text"] for row in predictions}
    doubts = {row["id"]: row["no_answer_probability"] for row in predictions}
    answers = {row["id"]: row["answers"]["text"] for row in references}
    raw = {name: answer_scores(said[name], answers[name]) for name in answers if name in said}
    results: dict[str, float] = {}
    parts = (("", list(raw)), ("HasAns_", [n for n in raw if answers[n]]))
    for prefix, names in (*parts, ("NoAns_", [n for n in raw if not answers[n]])):
        if prefix and not names:
            continue
        for number, metric in enumerate(("exact", "f1")):
            values = [
                raw[name][number] if doubts[name] <= threshold else float(not answers[name]) for name in names
            ]
            results[f"{prefix}{metric}"] = 100.0 * sum(values) / len(names)
        results[f"{prefix}total"] = len(names)
    for number, metric in enumerate(("exact", "f1")):
        gains = {n: raw[n][number] if answers[n] else -1 if said[n] else 0 for n in raw}
        best, best_threshold = _best(gains, doubts, sum(not answers[n] for n in raw))
        results[f"best_{metric}"] = 100.0 * best / len(raw)
        results[f"best_{metric}_thresh"] = best_threshold
    return results


def _best(gains: Mapping[str, float], doubts: Mapping[str, float], start: float) -> tuple[float, float]:
    """Answer the questions one by one, the least doubtful first, and return the highest sum on the way."""
    current = best = start
    threshold = 0.0
    for name in sorted(doubts, key=doubts.__getitem__):
        current += gains.get(name, 0)
        if current > best:
            best, threshold = current, doubts[name]
    return best, threshold


class SquadV2(evaluate.Metric):  # type: ignore[misc]
    """The metric `squad_v2` of the evaluate library."""

    def _info(self) -> evaluate.MetricInfo:
        texts = {"text": datasets.Value("string"), "answer_start": datasets.Value("int32")}
        prediction = {
            "id": datasets.Value("string"),
            "prediction_text": datasets.Value("string"),
            "no_answer_probability": datasets.Value("float32"),
        }
        reference = {"id": datasets.Value("string"), "answers": datasets.features.Sequence(texts)}
        return evaluate.MetricInfo(
            description="Exact match and token F1 of SQuAD 2.0 (Rajpurkar et al. 2018).",
            citation="https://aclanthology.org/P18-2124",
            inputs_description="predictions and references, as squad_v2 takes them",
            features=datasets.Features({"predictions": prediction, "references": reference}),
        )

    def _compute(
        self,
        predictions: Sequence[Mapping[str, Any]],
        references: Sequence[Mapping[str, Any]],
        no_answer_threshold: float = 1.0,
    ) -> dict[str, float]:
        return squad_v2(predictions, references, no_answer_threshold)
