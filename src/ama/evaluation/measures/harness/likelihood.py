"""The likelihood of right answers, which moves smoothly where accuracy and F1 jump."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from ama.evaluation.items import mean_items
from ama.evaluation.measure import Number, standard_error
from ama.evaluation.scores import LIKELIHOOD
from ama.processes import gather

_CHOICE = "multiple_choice"
_GENERATION = "generate_until"


def has_likelihood(task: Any) -> bool:
    """Tell whether every item of one of lm-eval's tasks has one right answer as text, by its first item."""
    if task.OUTPUT_TYPE == _CHOICE:
        return True
    doc = next(iter(task.eval_docs), None) if task.OUTPUT_TYPE == _GENERATION else None
    return doc is not None and bool(_reference(task, doc))


def likelihood(language_model: Any, task: Any) -> Number | None:
    """Return the mean over items of the right answer's likelihood: exp(log-likelihood / tokens), in [0, 1].

    It is the geometric mean of the probabilities of the answer's tokens, given the prompt of the task. For
    multiple choice the log-likelihood is that of lm-eval's own request; for generation that of the (first)
    reference after the same prompt, which takes one more request an item.

    Args:
        language_model: that has run the task.
        task: lm-eval's, with its requests and what they gave; of several processes each has its share.

    Returns:
        The number with its items in the order of the data, the same on all processes; None where an item
        has no right answer.
    """
    own = _own(language_model, task)
    parts = gather(own)
    if any(part is None for part in parts):
        return None
    found = {place: value for part in parts if part is not None for place, value in part.items()}
    if not found:
        return None
    values = [found[place] for place in sorted(found)]
    return Number(LIKELIHOOD, fmean(values), standard_error(values), len(values), mean_items(values))


def _own(language_model: Any, task: Any) -> dict[int, float] | None:
    """Return the likelihood of this process's items by place in the data, None where one has no answer."""
    requests: dict[int, list[Any]] = {}
    for instance in task.instances:
        requests.setdefault(instance.doc_id, []).append(instance)
    if task.OUTPUT_TYPE == _CHOICE:
        right = {place: _right(task, same) for place, same in requests.items()}
        if any(instance is None for instance in right.values()):
            return None
        return {
            place: _by_token(language_model, instance.args, instance.resps[0][0])
            for place, instance in right.items()
            if instance is not None
        }
    references = {place: _reference(task, same[0].doc) for place, same in requests.items()}
    if task.OUTPUT_TYPE != _GENERATION or not all(references.values()):
        return None
    return _of_references(language_model, requests, references)


def _of_references(
    language_model: Any, requests: dict[int, list[Any]], references: dict[int, str]
) -> dict[int, float]:
    from lm_eval.api.instance import Instance

    asked = []
    for place, reference in references.items():
        prompted = next(each for each in requests[place] if each.request_type == _GENERATION)
        pair = (prompted.args[0], reference)
        asked.append(Instance("loglikelihood", prompted.doc, pair, 0, metadata=prompted.metadata))
    found = language_model.loglikelihood(asked, disable_tqdm=True)
    return {
        place: _by_token(language_model, request.args, answer[0])
        for place, request, answer in zip(references, asked, found, strict=True)
    }


def _by_token(language_model: Any, pair: Sequence[str], log_likelihood: float) -> float:
    """Return exp(log-likelihood / tokens), the tokens as lm-eval counts them."""
    context, answer = pair[:2]
    if context:
        tokens = language_model._encode_pair(context, answer)[1]
    else:
        tokens = language_model.tok_encode(answer, add_special_tokens=False)
    return math.exp(log_likelihood / max(1, len(tokens)))


def _right(task: Any, same: Sequence[Any]) -> Any | None:
    """Return the request of an item that asks for its (first) right choice, None without one."""
    doc = same[0].doc
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    if isinstance(gold, (list, tuple)):
        gold = gold[0] if gold else None
    choices = task.doc_to_choice(doc)
    if isinstance(gold, str):
        gold = choices.index(gold) if gold in choices else None
    if gold is None or not 0 <= gold < len(choices):
        return None
    return next((instance for instance in same if instance.idx == gold), None)


def _reference(task: Any, doc: Any) -> str:
    """Return an item's (first) reference as it follows the prompt, empty where there is none."""
    target = task.doc_to_target(doc)
    if isinstance(target, (list, tuple)):
        target = target[0] if target else ""
    if not isinstance(target, str) or not target.strip():
        return ""
    return target if target[:1].isspace() else f"{task.config.target_delimiter}{target}"
