"""lm-eval's tasks by name, and their data, of the hub or of a folder."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from ama.errors import UserError
from ama.evaluation.measures.eval_data import REMEDY, working_in
from ama.evaluation.measures.harness.likelihood import has_likelihood

BACKEND = "lm_eval"
# The paper's groups, and the metrics without which a task counts as not measured, the paper's first.
STOCK = {
    "arc_easy": ("common_sense", ("acc", "acc_norm")),
    "arc_challenge": ("common_sense", ("acc", "acc_norm")),
    "race": ("common_sense", ("acc",)),
    "boolq": ("common_sense", ("acc",)),
    "piqa": ("common_sense", ("acc", "acc_norm")),
    "squadv2": ("reading", ("f1", "exact")),
    "drop": ("reading", ("f1", "em")),
    "wmt14-fr-en": ("translation", ("bleu", "chrf", "ter")),
}
# Those whose references are no single text.
_WITHOUT_LIKELIHOOD = ("drop",)
# Where lm-eval keeps them.
FOLDERS = ("arc", "race", "super_glue/boolq", "piqa", "squadv2", "drop", "translation")


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

        Of a task that is not among ours those come first of which more is better.

        Raises:
            UserError: the data of a task that is not among ours can't be had.
        """
        if name in STOCK:
            return STOCK[name]
        more_is_better = self.load(name).higher_is_better()
        return "other", tuple(sorted(more_is_better, key=lambda metric: not more_is_better[metric]))

    def has_likelihood(self, name: str) -> bool:
        """Tell whether a task's right answers have a likelihood: not where references are several texts.

        Raises:
            UserError: the data of a task that is not among ours can't be had.
        """
        return name not in _WITHOUT_LIKELIHOOD if name in STOCK else has_likelihood(self.load(name))
