"""lm-eval's tasks as measures, and the options that say which and how."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.console import Parser
from ama.evaluation.measure import Measure
from ama.evaluation.options import BatchSize, add_eval_data, add_measuring

if TYPE_CHECKING:
    from ama.evaluation.measures.harness_run import Request
    from ama.evaluation.measures.harness_tasks import Tasks
    from ama.evaluation.recording import Measurement, Number
    from ama.evaluation.subject import Subject

COMMON_SENSE = ("arc_easy", "arc_challenge", "race", "boolq", "piqa")


def add_harness(parser: Parser) -> None:
    """Add the options that `harness_measures` reads."""
    add = parser.add_argument
    add("--tasks", nargs="+", default=COMMON_SENSE, metavar="TASK", help="names of lm-eval's tasks")
    add("--num_fewshot", type=_count, metavar="N", help="examples in the prompt; by default the task's own")
    add("--apply_chat_template", action="store_true", help="put prompts into the tokenizer's chat template")
    add("--system_instruction", metavar="TEXT", help="put before every prompt")
    add(
        "--include_path",
        type=Path,
        metavar="DIR",
        help="YAML tasks of your own, such as stock ones with another prompt (`include:` and `doc_to_text:`)",
    )
    add("--engine", choices=("transformers", "vllm"), default="transformers", help="vllm if it is installed")
    add(
        "--bootstrap",
        type=_count,
        metavar="N",
        help="lm-eval's bootstrap_iters; with 0 standard errors come from the items, which is faster",
    )
    add_eval_data(parser)
    # None leaves lm-eval's own seeds, so that its command line gives the same.
    add_measuring(parser, batch_size=16, seed=None)


@dataclass(frozen=True)
class HarnessMeasure(Measure):
    """One task of lm-eval.

    Attributes:
        what: what goes into the rows.
        metrics: the numbers without which it counts as not measured.
        tasks: knows the task.
        request: how it is run.
        dtype: of the weights.
        engine: what runs the model.
        batch_size: items at a time.
    """

    what: Measurement
    metrics: tuple[str, ...]
    tasks: Tasks
    request: Request
    dtype: str
    engine: str
    batch_size: BatchSize

    def prepare(self) -> None:
        """Read the task's data."""
        self.tasks.check(self.what.task, self.request.num_fewshot)

    def run(self, subject: Subject) -> list[Number] | None:
        """Load the model and run the task."""
        return self.run_on(self.open(subject))

    def open(self, subject: Subject) -> Any:
        """Return lm-eval's view of a model, which serves every task of a run."""
        from ama.evaluation.measures.harness_models import open_vllm, wrap

        if self.engine != "vllm":
            return wrap(*subject.load(self.dtype, chat=self.request.chat), self.batch_size)
        # The commands refuse vLLM for what has no folder.
        assert subject.folder is not None
        return open_vllm(subject.folder, self.dtype, self.batch_size, self.request.seed)

    def run_on(self, language_model: Any) -> list[Number] | None:
        """Run the task on what `open` has returned."""
        from ama.evaluation.measures.harness_run import run_task

        return run_task(language_model, self.tasks, self.what.task, self.request)


def harness_measures(options: Namespace) -> list[HarnessMeasure]:
    """Return what the options of `add_harness`, and --dtype, ask for.

    Raises:
        UserError: no such task, or data that are missing.
    """
    from ama.evaluation.eval_data import check_eval_data, stay_offline

    if options.eval_data:
        stay_offline()
    from ama.evaluation.measures.harness_run import Request
    from ama.evaluation.measures.harness_tasks import Tasks

    tasks = Tasks(options.tasks, options.eval_data, options.include_path)
    if options.eval_data:
        for name in options.tasks:
            check_eval_data(options.eval_data, name)
    request = Request(
        options.num_fewshot,
        options.limit,
        options.seed,
        options.apply_chat_template,
        options.system_instruction,
        options.bootstrap,
    )
    return [_measure(name, tasks, request, options) for name in dict.fromkeys(options.tasks)]


def _measure(name: str, tasks: Tasks, request: Request, options: Namespace) -> HarnessMeasure:
    from ama.evaluation.eval_data import data_mark
    from ama.evaluation.measures.harness_tasks import BACKEND
    from ama.evaluation.recording import Measurement

    group, metrics = tasks.group_and_metrics(name)
    settings = {
        "data": data_mark(options.eval_data, name),
        "num_fewshot": request.num_fewshot,
        "limit": request.limit,
        "chat_template": request.chat,
        "system_instruction": request.system,
        "tasks": _mark(options.include_path),
        "dtype": options.dtype,
        "engine": options.engine,
        **({} if request.bootstrap is None else {"bootstrap": request.bootstrap}),
    }
    what = Measurement(group, name, BACKEND, settings, request.seed)
    return HarnessMeasure(what, metrics, tasks, request, options.dtype, options.engine, options.batch_size)


def _mark(folder: Path | None) -> str | None:
    """Return what changes when a file of a folder of tasks does."""
    if folder is None:
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in (".yaml", ".py"))
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"'{text}' is no whole number")
    return int(text)
