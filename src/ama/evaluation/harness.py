"""lm-eval's stock tasks on a model that is in memory, through the harness's own Python interface."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from ama.core.errors import UserError
from ama.data.eval_sets import SQUAD
from ama.evaluation.eval_data import REMEDY, working_in
from ama.evaluation.harness_numbers import squad_numbers, task_numbers
from ama.evaluation.recording import Number

BACKEND = "lm_eval"
# The paper's groups, and the metrics without which a task counts as not measured.
STOCK = {
    "arc_easy": ("common_sense", ("acc", "acc_norm")),
    "arc_challenge": ("common_sense", ("acc", "acc_norm")),
    "race": ("common_sense", ("acc",)),
    "boolq": ("common_sense", ("acc",)),
    "piqa": ("common_sense", ("acc", "acc_norm")),
    "squadv2": ("reading", ("exact", "f1")),
    "drop": ("reading", ("em", "f1")),
    "wmt14-fr-en": ("translation", ("bleu", "chrf", "ter")),
}
_SEEDS = ("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed")
# Where lm-eval keeps them.
FOLDERS = ("arc", "race", "super_glue/boolq", "piqa", "squadv2", "drop", "translation")


@dataclass(frozen=True)
class Request:
    """How tasks are run; each field is lm-eval's own setting.

    Attributes:
        num_fewshot: examples in the prompt, None for the task's own number.
        limit: so many of the first items, None for all.
        seed: of whatever is drawn, None for lm-eval's own seeds.
        chat: put the prompt into the tokenizer's chat template.
        system: system instruction, None for none.
    """

    num_fewshot: int | None = None
    limit: int | None = None
    seed: int | None = None
    chat: bool = False
    system: str | None = None


class Tasks:
    """The tasks of a run, lm-eval's own and those of a folder of the user's, and where their data are.

    Attributes:
        manager: lm-eval's index of tasks.
        eval_data: folder of evaluation sets, absolute; None where they are fetched.
    """

    def __init__(
        self, names: Collection[str], eval_data: Path | None = None, include: Path | None = None
    ) -> None:
        """Find the tasks.

        Args:
            names: those that the run needs.
            eval_data: folder of evaluation sets, None to fetch them.
            include: folder with further tasks, which may replace stock ones.

        Raises:
            UserError: `include` is missing, or there is no task of one of the names.
        """
        if include is not None and not include.is_dir():
            raise UserError(f"--include_path {include}: no such folder")
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        import datasets
        import lm_eval.tasks

        self.eval_data = None if eval_data is None else eval_data.resolve()
        # The cache of `datasets` knows a local data set by its name, not by its rows: the user's would give
        # those of another folder of evaluation sets. This one goes when the run does.
        self._cache = None
        if eval_data is not None:
            self._cache = TemporaryDirectory(prefix="ama_eval_data_")
            # Files at hand are read in a moment.
            datasets.disable_progress_bars()
        own = [] if include is None else [str(include.resolve())]
        stock = Path(lm_eval.tasks.__file__).parent
        # lm-eval reads all of its thousands of files, which takes longer than loading a small model.
        few = lm_eval.tasks.TaskManager(
            include_path=[*(str(stock / folder) for folder in FOLDERS), *own], include_defaults=False
        )
        known = set(few.all_subtasks)
        self.manager = few if known.issuperset(names) else lm_eval.tasks.TaskManager(include_path=own or None)
        for name in names:
            self._check(name)

    def load(self, name: str) -> Any:
        """Return a task with its data.

        Raises:
            UserError: the data can't be had.
        """
        from datasets.exceptions import DatasetsError

        try:
            with working_in(self.eval_data), self._caching():
                return self.manager.load([name])["tasks"][name]
        except (OSError, ValueError, DatasetsError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UserError(
                f"the data of {name} can't be loaded ({reason}): without internet give --eval_data; {REMEDY}"
            ) from error

    def _caching(self) -> AbstractContextManager[object]:
        """Have what is read of a local folder cached for this run only."""
        if self._cache is None:
            return nullcontext()
        return patch("datasets.config.HF_DATASETS_CACHE", Path(self._cache.name))

    def check(self, name: str, shots: int | None) -> None:
        """Check that the data of a task are there, examples for the prompt among them.

        Args:
            name: of the task.
            shots: examples in the prompt, None for the task's own number.

        Raises:
            UserError: the data can't be had, or have too few examples.
        """
        task = self.load(name)
        if shots:
            found = len(list(task.fewshot_docs()))
            if found < shots:
                raise UserError(
                    f"--num_fewshot {shots}: the examples of {name} are {found}; "
                    "`python -m ama.build_eval_data --few_shot_rows` keeps more of them"
                )

    def _check(self, name: str) -> None:
        known = self.manager.all_subtasks
        if name not in known:
            near = difflib.get_close_matches(name, known, 3)
            hint = f"; do you mean {' or '.join(near)}?" if near else ""
            raise UserError(f"--tasks {name}: lm-eval {version(BACKEND)} has no such task{hint}")

    def group_and_metrics(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Return a task's group and the metrics without which it counts as not measured.

        Raises:
            UserError: the data of a task that is not among ours can't be had.
        """
        return STOCK.get(name) or ("other", tuple(self.load(name).aggregation()))


def run_task(language_model: Any, tasks: Tasks, name: str, request: Request) -> list[Number] | None:
    """Run one task.

    Args:
        language_model: from `ama.evaluation.harness_models`.
        tasks: knows the task.
        name: of the task.
        request: how.

    Returns:
        Every number that lm-eval reports, SQuAD's with standard errors that it leaves out; None on all
        processes of a run but the first.

    Raises:
        UserError: the data can't be had.
    """
    from lm_eval import simple_evaluate

    seeds = {} if request.seed is None else dict.fromkeys(_SEEDS, request.seed)
    with working_in(tasks.eval_data):
        found = simple_evaluate(
            model=language_model,
            tasks=[tasks.load(name)],
            num_fewshot=request.num_fewshot,
            limit=request.limit,
            apply_chat_template=request.chat,
            system_instruction=request.system,
            task_manager=tasks.manager,
            **seeds,
        )
    if found is None:
        return None
    if name == SQUAD.task:
        return squad_numbers(found["results"][name], found["samples"][name])
    return task_numbers(found["results"][name], found["n-samples"][name]["effective"])
