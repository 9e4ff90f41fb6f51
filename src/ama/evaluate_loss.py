"""Measure the loss of models on texts and append it, with its standard error, to a file of scores."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ama.console import Parser, run
from ama.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ama.evaluation.loss import Loss
    from ama.evaluation.scores import Score, ScoreKey
    from ama.models import Provenance

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
    from ama.evaluation.scores import read_scores

    names = [task.name for task in options.data]
    if len(set(names)) < len(names):
        raise UserError(f"--data: each text needs a name of its own, not {' '.join(names)}")
    for name in ("batch", "max_blocks"):
        number = getattr(options, name)
        if number is not None and number < 1:
            raise UserError(f"--{name} {number}: must be 1 or more")
    known = {score.key for score in read_scores(options.scores)}
    for folder in options.models:
        _measure(folder, options, set() if options.rerun else known)


def _measure(folder: Path, options: Namespace, known: set[ScoreKey]) -> None:
    """Append the scores of one model that are not known; load it only if there are any."""
    from ama.evaluation.scores import append_score, score_key
    from ama.models import provenance

    origin = provenance(folder)
    settings = {task: _settings(task, options, origin) for task in options.data}
    todo = [
        task
        for task in options.data
        if any(score_key(str(folder), task.name, metric, settings[task]) not in known for metric in METRICS)
    ]
    if not todo:
        return

    import torch

    from ama.data import pack, read_texts
    from ama.evaluation.loss import measure_loss
    from ama.models import load_model, load_tokenizer

    tokenizer = load_tokenizer(folder)
    model = load_model(folder, options.dtype)
    torch.nn.Module.to(model, torch.accelerator.current_accelerator() or "cpu")
    for task in todo:
        blocks = pack(read_texts([task.path]), tokenizer, options.block_size)[: options.max_blocks]
        loss = measure_loss(model, blocks, options.batch, f"{folder.name}, {task.name}")
        sys.stderr.write(f"{folder}: loss on {task.name} {loss.mean:.4f}, {loss.blocks} blocks\n")
        for score in _scores(str(folder), task.name, loss, settings[task], origin.schedule):
            append_score(options.scores, score)


def _settings(task: Task, options: Namespace, origin: Provenance) -> dict[str, Any]:
    """Return what decides the loss, and the ratio, which tells where a model lies in a sweep."""
    return {
        "data": sha256(task.path.read_bytes()).hexdigest()[:16],
        "block_size": options.block_size,
        "max_blocks": options.max_blocks,
        "dtype": options.dtype,
        "weights": origin.fingerprint,
        "ratio": origin.ratio,
    }


def _scores(model: str, task: str, loss: Loss, settings: Mapping[str, Any], schedule: str) -> list[Score]:
    import transformers

    from ama.checkpoint.record import commit
    from ama.evaluation.scores import Score

    shared: dict[str, Any] = {
        "model": model,
        "schedule": schedule,
        "group": "loss",
        "task": task,
        "n": loss.blocks,
        "seed": None,
        "backend": "transformers",
        "backend_version": transformers.__version__,
        "settings": settings,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit() or "",
    }
    values = ((loss.mean, loss.stderr), (loss.perplexity, loss.perplexity_stderr))
    return [
        Score(metric=metric, value=value, stderr=stderr, **shared)
        for metric, (value, stderr) in zip(METRICS, values, strict=True)
    ]


def _task(argument: str) -> Task:
    name, equals, path = argument.partition("=")
    if not (name and equals and path):
        raise ArgumentTypeError(f"{argument!r} is not NAME=FILE")
    return Task(name, Path(path))


def _options() -> Namespace:
    parser = Parser("evaluate_loss", DESCRIPTION)
    parser.add_argument(
        "--models", type=Path, nargs="+", required=True, metavar="FOLDER", help="model folders"
    )
    parser.add_argument(
        "--data",
        type=_task,
        nargs="+",
        required=True,
        metavar="NAME=FILE",
        help=".txt, LMFlow .json or .jsonl",
    )
    parser.add_argument("--scores", type=Path, required=True, help="file of scores to append to")
    parser.add_argument("--block_size", type=int, default=512, help="tokens in a block")
    parser.add_argument("--max_blocks", type=int, help="measure on the first blocks only")
    parser.add_argument("--batch", type=int, default=8, help="blocks at a time")
    parser.add_argument(
        "--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="auto: the checkpoint's own"
    )
    parser.add_argument("--rerun", action="store_true", help="measure again what was measured before")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
