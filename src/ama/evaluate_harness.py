"""Measure models on lm-eval's stock tasks: common sense, reading, translation."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.console import Parser, run
from ama.core.errors import UserError

if TYPE_CHECKING:
    from ama.evaluation.harness import Request, Tasks
    from ama.evaluation.recording import Measurement, ScoreBook
    from ama.evaluation.subject import Subject

_COMMON_SENSE = ("arc_easy", "arc_challenge", "race", "boolq", "piqa")

_DESCRIPTION = """\
Measure models on tasks of lm-eval and append a row for each metric to a file of scores.

Without internet --eval_data names the folder that `bash data/download.sh eval` builds. What was measured
already is not measured again: a run that was cut short goes on with the next task. Several processes
(torchrun --nproc_per_node 4 -m ama.evaluate_harness ...) share the items.
Examples:
  python -m ama.evaluate_harness --models models/sft models/rlhf --scores output/scores.jsonl
  python -m ama.evaluate_harness --before models/sft --after models/rlhf --schedule 0.2 0.4 \\
    --tasks squadv2 wmt14-fr-en --eval_data data/eval --limit 200 --scores output/scores.jsonl"""


def main() -> None:
    """Run each task on each model where the file of scores has no row yet."""
    options = _options()
    from ama.evaluation.eval_data import check_eval_data, stay_offline
    from ama.evaluation.harness import Request, Tasks
    from ama.evaluation.processes import agreed, join_run
    from ama.evaluation.recording import ScoreBook
    from ama.evaluation.subject import subjects_of

    subjects = subjects_of(options)
    if options.engine == "vllm" and any(subject.folder is None for subject in subjects):
        raise UserError("--engine vllm measures checkpoint folders only: write averages and adapters first")
    if options.eval_data:
        stay_offline()
    book = ScoreBook(options.scores, rerun=options.rerun)
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
    )
    join_run()
    entries = [_measurement(name, tasks, request, options) for name in dict.fromkeys(options.tasks)]
    lacking = [[book.lacks(subject, *entry) for entry in entries] for subject in subjects]
    for subject, lacks in zip(subjects, agreed(lacking), strict=True):
        todo = [what for (what, _), missing in zip(entries, lacks, strict=True) if missing]
        if todo:
            _measure(subject, todo, tasks, request, options, book)


def _measure(
    subject: Subject,
    todo: list[Measurement],
    tasks: Tasks,
    request: Request,
    options: Namespace,
    book: ScoreBook,
) -> None:
    """Load a model, after the data of all tasks, and append the rows of each task as soon as it is done."""
    from ama.evaluation.harness import run_task
    from ama.evaluation.harness_models import open_vllm, wrap
    from ama.evaluation.recording import say

    for what in todo:
        tasks.check(what.task, request.num_fewshot)
    if options.engine == "vllm":
        assert subject.folder is not None
        language_model: Any = open_vllm(subject.folder, options.dtype, options.batch_size, options.seed)
    else:
        language_model = wrap(*subject.load(options.dtype, chat=request.chat), options.batch_size)
    for what in todo:
        numbers = run_task(language_model, tasks, what.task, request)
        if numbers is None:
            continue
        book.add(subject, what, numbers)
        say(subject, what, numbers)


def _measurement(
    name: str, tasks: Tasks, request: Request, options: Namespace
) -> tuple[Measurement, tuple[str, ...]]:
    """Return what is measured, and the metrics without which it counts as not measured."""
    from ama.evaluation.eval_data import data_mark
    from ama.evaluation.harness import BACKEND
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
    }
    return Measurement(group, name, BACKEND, settings, request.seed), metrics


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


def _options() -> Namespace:
    from ama.evaluation.options import add_eval_data, add_measuring, add_scoring, add_subjects

    parser = Parser("evaluate_harness", _DESCRIPTION)
    add_subjects(parser)
    add = parser.add_argument
    add("--tasks", nargs="+", default=_COMMON_SENSE, metavar="TASK", help="names of lm-eval's tasks")
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
    add_eval_data(parser)
    # None leaves lm-eval's own seeds, so that its command line gives the same.
    add_measuring(parser, batch_size=16, seed=None)
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
