"""Run lm-eval's tasks on a model that is in memory, through the harness's own Python interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from ama.data.eval_sets import SQUAD
from ama.evaluation.eval_data import working_in
from ama.evaluation.measures.harness_numbers import squad_numbers, task_numbers
from ama.evaluation.measures.harness_tasks import Tasks
from ama.evaluation.recording import Number

_SEEDS = ("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed")


@dataclass(frozen=True)
class Request:
    """How tasks are run; each field is lm-eval's own setting, None for its default.

    Attributes:
        num_fewshot: examples in the prompt.
        limit: so many of the first items, None for all.
        seed: of whatever is drawn.
        chat: put the prompt into the tokenizer's chat template.
        system: system instruction.
        bootstrap: lm-eval's bootstrap_iters, 0 for standard errors from the items.
    """

    num_fewshot: int | None = None
    limit: int | None = None
    seed: int | None = None
    chat: bool = False
    system: str | None = None
    bootstrap: int | None = None


def run_task(language_model: Any, tasks: Tasks, name: str, request: Request) -> list[Number] | None:
    """Run one task.

    Args:
        language_model: from `ama.evaluation.measures.harness_models`.
        tasks: knows the task.
        name: of the task.
        request: how.

    Returns:
        Every number that lm-eval reports, with its items, and some standard errors that it leaves out; None
        on all processes of a run but the first.

    Raises:
        UserError: the data can't be had.
    """
    from lm_eval import simple_evaluate

    further = {} if request.seed is None else dict.fromkeys(_SEEDS, request.seed)
    if request.bootstrap is not None:
        further["bootstrap_iters"] = request.bootstrap
    with working_in(tasks.eval_data), _model_only():
        found = simple_evaluate(
            model=language_model,
            tasks=[tasks.load(name)],
            num_fewshot=request.num_fewshot,
            limit=request.limit,
            apply_chat_template=request.chat,
            system_instruction=request.system,
            task_manager=tasks.manager,
            **further,
        )
    if found is None:
        return None
    samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    if name == SQUAD.task:
        return squad_numbers(found["results"][name], samples)
    return task_numbers(found["results"][name], samples, found["n-samples"][name]["effective"])


@contextmanager
def _model_only() -> Iterator[None]:
    """Keep lm-eval from compiling a template for each item, and from describing the machine and its git.

    With a small model these take longer than the model; no number depends on them.
    """
    from lm_eval import evaluator, utils

    with (
        patch.object(utils.env, "from_string", cache(utils.env.from_string)),
        patch.object(evaluator, "add_env_info", lambda results: None),
        patch.object(evaluator, "get_git_commit_hash", lambda: None),
    ):
        yield
