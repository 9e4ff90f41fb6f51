"""Measure the loss of models on texts and append it, with its standard error, to a file of scores."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ama.console import Parser, positive_int, run
from ama.errors import UserError

if TYPE_CHECKING:
    from ama.evaluation.recording import Measurement, ScoreBook
    from ama.evaluation.subject import Subject

METRICS = ("loss", "perplexity")

DESCRIPTION = """Measure models on texts and append the results to a file of scores.

Each text is cut into blocks of --block_size tokens. Metrics: loss, the mean cross-entropy per token in nats,
and perplexity = exp(loss). Standard errors are over blocks. What was measured already is not measured again.
Example:
  python -m ama.evaluate_loss --models output/m0 output/m1 --data wiki=wiki.txt --scores output/scores.jsonl
"""


class Task(NamedTuple):
    """A text to measure on."""

    name: str
    path: Path


def main() -> None:
    """Measure each model on each text where the file of scores has no row yet."""
    options = _options()
    from ama.evaluation.recording import ScoreBook
    from ama.evaluation.subject import subjects_of

    names = [task.name for task in options.data]
    if len(set(names)) < len(names):
        raise UserError(f"--data: each text needs a name of its own, not {' '.join(names)}")
    book = ScoreBook(options.scores, rerun=options.rerun)
    tasks = [(task, _measurement(task, options)) for task in options.data]
    for subject in subjects_of(options):
        todo = [entry for entry in tasks if book.lacks(subject, entry[1], METRICS)]
        if todo:
            _measure(subject, todo, options, book)


def _measure(
    subject: Subject, todo: list[tuple[Task, Measurement]], options: Namespace, book: ScoreBook
) -> None:
    """Load a model and append its scores."""
    from ama.data import pack, read_texts
    from ama.evaluation.measures.mean_loss import measure_loss
    from ama.evaluation.recording import Number

    model, tokenizer = subject.load(options.dtype)
    for task, measurement in todo:
        blocks = pack(read_texts([task.path]), tokenizer, options.block_size)[: options.max_blocks]
        loss = measure_loss(model, blocks, options.batch, f"{subject.label}, {task.name}")
        sys.stderr.write(f"{subject.label}: loss on {task.name} {loss.mean:.4f}, {loss.blocks} blocks\n")
        values = ((loss.mean, loss.stderr), (loss.perplexity, loss.perplexity_stderr))
        numbers = [Number(metric, *value, loss.blocks) for metric, value in zip(METRICS, values, strict=True)]
        book.add(subject, measurement, numbers)


def _measurement(task: Task, options: Namespace) -> Measurement:
    from ama.evaluation.recording import Measurement

    settings = {
        "data": sha256(task.path.read_bytes()).hexdigest()[:16],
        "block_size": options.block_size,
        "max_blocks": options.max_blocks,
        "dtype": options.dtype,
    }
    return Measurement("loss", task.name, "transformers", settings)


def _task(argument: str) -> Task:
    name, equals, path = argument.partition("=")
    if not (name and equals and path):
        raise ArgumentTypeError(f"{argument!r} is not NAME=FILE")
    return Task(name, Path(path))


def _options() -> Namespace:
    from ama.evaluation.options import add_scoring, add_subjects

    parser = Parser("evaluate_loss", DESCRIPTION)
    add_subjects(parser)
    add = parser.add_argument
    files = ".txt, LMFlow .json or .jsonl"
    add("--data", type=_task, nargs="+", required=True, metavar="NAME=FILE", help=files)
    add("--block_size", type=int, default=512, help="tokens in a block")
    add("--max_blocks", type=positive_int, help="measure on the first blocks only")
    add("--batch", type=positive_int, default=8, help="blocks at a time")
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
