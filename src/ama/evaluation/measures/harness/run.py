"""Run lm-eval's tasks on a model that is in memory, through the harness's own Python interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from ama.data.eval_sets.sets import SQUAD
from ama.evaluation.measure import Number
from ama.evaluation.measures.eval_data import working_in
from ama.evaluation.measures.harness.likelihood import likelihood
from ama.evaluation.measures.harness.numbers import squad_numbers, task_numbers
from ama.evaluation.measures.harness.tasks import Tasks
from ama.settings.measures import HarnessSettings

_SEEDS = ("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed")


def run_task(language_model: Any, tasks: Tasks, name: str, how: HarnessSettings) -> list[Number] | None:
    """Run one task.

    Args:
        language_model: from `ama.evaluation.measures.harness.models`.
        tasks: knows the task.
        name: of the task.
        how: settings, None for lm-eval's defaults.

    Returns:
        Every number that lm-eval reports, with its items, and some standard errors that it leaves out; then
        the likelihood of right answers, where the task has it. None on all processes of a run but the first.

    Raises:
        UserError: the data can't be had.
    """
    from lm_eval import simple_evaluate

    further = {} if how.seed is None else dict.fromkeys(_SEEDS, how.seed)
    if how.bootstrap is not None:
        further["bootstrap_iters"] = how.bootstrap
    task = tasks.load(name)
    with working_in(tasks.eval_data), _model_only():
        found = simple_evaluate(
            model=language_model,
            tasks=[task],
            num_fewshot=how.num_fewshot,
            limit=how.limit,
            apply_chat_template=how.apply_chat_template,
            system_instruction=how.system_instruction,
            task_manager=tasks.manager,
            **further,
        )
    right = likelihood(language_model, task) if tasks.has_likelihood(name) else None
    if found is None:
        return None
    further_numbers = [] if right is None else [right]
    samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    if name == SQUAD.task:
        return [*squad_numbers(found["results"][name], samples), *further_numbers]
    count = found["n-samples"][name]["effective"]
    return [*task_numbers(found["results"][name], samples, count), *further_numbers]


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
