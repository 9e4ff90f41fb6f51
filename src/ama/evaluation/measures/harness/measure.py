"""lm-eval's tasks."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ama.evaluation.measure import Measure, Measurement, Number
from ama.evaluation.measures.eval_data import check_eval_data, data_mark, stay_offline
from ama.evaluation.measures.harness.models import open_vllm, wrap
from ama.evaluation.measures.harness.run import run_task
from ama.evaluation.measures.harness.tasks import BACKEND, Tasks
from ama.evaluation.scores import LIKELIHOOD
from ama.evaluation.subject import Subject
from ama.settings.evaluation import Dtype, ScoringSettings
from ama.settings.measures import HarnessSettings


@dataclass(frozen=True)
class HarnessMeasure(Measure):
    """One task of lm-eval.

    Attributes:
        what: what goes into the rows.
        metrics: the numbers without which it counts as not measured.
        tasks: knows the task.
        how: settings.
        dtype: of the weights.
    """

    what: Measurement
    metrics: tuple[str, ...]
    tasks: Tasks
    how: HarnessSettings
    dtype: Dtype

    @property
    def needs_folder(self) -> bool:
        """Whether vLLM runs the model."""
        return self.how.engine == "vllm"

    @property
    def opening(self) -> Hashable:
        """All tasks of one group of settings are run on one load of the model."""
        return HarnessMeasure, id(self.tasks)

    def prepare(self) -> None:
        """Read the task's data."""
        self.tasks.check(self.what.task, self.how.num_fewshot)

    def open(self, subject: Subject) -> Any:
        """Return lm-eval's view of a model."""
        if self.how.engine != "vllm":
            model, tokenizer = subject.load(self.dtype, chat=self.how.apply_chat_template)
            return wrap(model, tokenizer, self.how.batch_size)
        assert subject.folder is not None
        return open_vllm(subject.folder, self.dtype, self.how.batch_size, self.how.seed)

    def run(self, subject: Subject, opened: Any) -> list[Number] | None:
        """Run the task."""
        return run_task(opened, self.tasks, self.what.task, self.how)


def harness_measures(settings: HarnessSettings, scoring: ScoringSettings) -> list[Measure]:
    """Return a measure for each task.

    Raises:
        UserError: no such task, or data that are missing.
    """
    if settings.eval_data:
        stay_offline()
    tasks = Tasks(settings.tasks, settings.eval_data, settings.include_path)
    if settings.eval_data:
        for name in settings.tasks:
            check_eval_data(settings.eval_data, name)
    return [_measure(name, tasks, settings, scoring.dtype) for name in dict.fromkeys(settings.tasks)]


def _measure(name: str, tasks: Tasks, how: HarnessSettings, dtype: Dtype) -> HarnessMeasure:
    group, metrics = tasks.group_and_metrics(name)
    of_rows = {
        "data": data_mark(how.eval_data, name),
        "num_fewshot": how.num_fewshot,
        "limit": how.limit,
        "chat_template": how.apply_chat_template,
        "system_instruction": how.system_instruction,
        "tasks": _mark(how.include_path),
        "dtype": dtype,
        "engine": how.engine,
        **({} if how.bootstrap is None else {"bootstrap": how.bootstrap}),
    }
    groups = {LIKELIHOOD: LIKELIHOOD} if tasks.has_likelihood(name) else {}
    what = Measurement(group, name, BACKEND, of_rows, how.seed, groups)
    return HarnessMeasure(what, (*metrics, *groups), tasks, how, dtype)


def _mark(folder: Path | None) -> str | None:
    """Return what changes when a file of a folder of tasks does."""
    if folder is None:
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in (".yaml", ".py"))
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
