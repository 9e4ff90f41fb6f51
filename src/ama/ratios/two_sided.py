"""Learn free ratios: one walk over the prices, from two models and texts to ratio tensors for each price."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    default_data_collator,
)

from ama.checkpoint.folder import read_checkpoint
from ama.errors import UserError
from ama.models import quiet
from ama.processes import is_first
from ama.ratios.convergence import RATE_FACTOR, largest_move, ratio_path
from ama.ratios.free_model import free_masked_model
from ama.ratios.free_ratios import FreeRatios, start_free_ratios
from ama.ratios.inputs import Inputs, run_facts
from ama.ratios.price_files import mean_ratios, publish, write_price
from ama.ratios.terms import make_objective
from ama.ratios.trainer import RatioTrainer, ratio_arguments, rows_of
from ama.settings.base import record_of
from ama.settings.ratios import (
    FREE_LEVELS,
    JSON_NAME,
    ObjectiveSettings,
    RatioSettings,
    RatioTrainingSettings,
)
from ama.training.progress import ProgressLines
from ama.training.resume import NOTE_NAME, open_work


@dataclass(frozen=True)
class FreeResult:
    """What a walk over prices ends with.

    Attributes:
        folder: where the ratios are; `FOLDER@price=0.1` is a schedule.
        means: mean ratio over all averaged parameters, by price.
        path: mean ratio of each part before the first step and after each, shape (steps + 1, parts).
        verdict: lines that say whether the ratios had converged at each price.
        metrics: numbers of the run: seconds and mean loss.
    """

    folder: Path
    means: Mapping[float, float]
    path: list[list[float]]
    verdict: list[str]
    metrics: Mapping[str, float]


def learn_free_ratios(
    before: Path | str,
    after: Path | str,
    data: Path | str,
    out: Path | str,
    ratios: RatioSettings,
    objective: ObjectiveSettings,
    training: RatioTrainingSettings,
    *,
    overwrite: bool = False,
) -> FreeResult:
    """Learn two-sided free ratios, sigmoid(raw) of each tensor, row or element, at each of several prices.

    With theta(r) = r * before + (1 - r) * after, and no mean that the ratios must keep, they minimise

        D(after, theta(r)) on samples of after  +  price * D(before, theta(r)) on texts of before

    where D is the divergence KL(parent || average) of the next token with soft targets, and the cross-entropy
    of the texts' own tokens with sampled ones, in nats a token. The price takes the place of the mean ratio:
    a small one keeps the reward, a large one gives skills back. The walk begins at the smallest price, and
    each price begins where the last one ended. Called again after a kill with the same arguments, it goes on
    at its last checkpoint and ends with the same bytes.

    Args:
        before: folder of the model before RLHF.
        after: folder of the model after RLHF, of the same architecture and vocabulary.
        data: samples of after, as LMFlow JSON: a file or a folder of them.
        out: folder for mask_alphas.json (means by layer and module, all settings), mask_alphas.png, and
            price-P/ for each price: ratios in float16 under the tensors' names, as safetensors.
        ratios: approach `free_sigmoid`, what has a ratio, scope, start in (0, 1).
        objective: targets, prices of 0 or more, increasing; texts of before.
        training: learning rate of the raw scalars, steps at each price, batch, seed.
        overwrite: replace an earlier result, at the end.

    Returns:
        The folder, mean ratios, path and numbers of the run; the same on every process.

    Raises:
        UserError: a result that is there already, settings that do not go together or do not fit the model,
            samples or models that are missing, differ or can't be read, or a loss that is not finite.
    """
    before, after, data, out = map(Path, (before, after, data, out))
    _check(ratios, objective, out, overwrite=overwrite)
    quiet()
    # Joins the other processes, among which the models may be divided.
    arguments = ratio_arguments(out, training)
    inputs = Inputs.read(before, after, data, objective, training)
    places = {"before": str(before), "after": str(after), "data": str(data), "out": str(out)}
    settings = {**places, **record_of([ratios, objective, training])}
    with arguments.main_process_first():
        checkpoint = open_work(out, settings)
    free = start_free_ratios(inputs.models[1], ratios)
    _check_names(free, before)
    goal = make_objective(objective, inputs.sources(None, ratios.start_ratio, training, arguments.device))
    rows = rows_of(goal)
    steps = training.max_steps or _steps(len(rows), arguments)
    arguments.max_steps = steps * len(objective.price)
    start = free.summary()
    segments = _Segments(free, objective.price, steps, out)
    trainer = RatioTrainer(
        objective=goal,
        ratios=free,
        prices=objective.price,
        model=free_masked_model(*inputs.models, free),
        args=arguments,
        train_dataset=rows,
        data_collator=default_data_collator,
        callbacks=[ProgressLines(), segments],
    )
    trainer.remove_callback(PrinterCallback)
    done = trainer.train(resume_from_checkpoint=checkpoint)
    path = [start, *ratio_path(trainer.state.log_history)]
    verdict = describe_walk(path, objective.price, steps, training.lr)
    facts = {"metrics": done.metrics, "verdict": verdict, "parts": free.labels, "path": path}
    facts = {**settings, **run_facts(arguments, inputs.data), **facts}
    with arguments.main_process_first():
        if is_first():
            sys.stderr.writelines(f"{line}\n" for line in verdict)
            publish(out, ratios, objective.price, free, facts)
            for folder in out.glob("checkpoint-*"):
                shutil.rmtree(folder)
            (out / NOTE_NAME).unlink()
        means = mean_ratios(out, objective.price)
    return FreeResult(out, means, path, verdict, done.metrics)


def describe_walk(
    path: Sequence[Sequence[float]], prices: Sequence[float], steps: int, lr: float
) -> list[str]:
    """Say for each price how far the parts' mean ratios moved, and warn where they never did.

    Args:
        path: mean ratios before the first step and after each.
        prices: the prices.
        steps: at each.
        lr: the peak learning rate, for the advice.
    """
    lines = []
    for place, price in enumerate(prices):
        part = path[place * steps : (place + 1) * steps + 1]
        if len(part) < 2:
            continue
        moved = max(largest_move(part[0], ratios) for ratios in part)
        late = largest_move(part[int(0.8 * (len(part) - 1))], part[-1])
        lines.append(
            f"price {price:g}: the mean ratios moved by {moved:.4f}, by {late:.4f} in the last fifth"
        )
    if path and max(largest_move(path[0], ratios) for ratios in path) < 0.01:
        lines.append(f"warning: the ratios hardly left their start; try --lr {lr * RATE_FACTOR:g} or more")
    return lines


def _check(ratios: RatioSettings, objective: ObjectiveSettings, out: Path, *, overwrite: bool) -> None:
    if not objective.price:
        raise UserError("free ratios have no mean, but a price of before's side: give --price 0.03 0.1 0.3")
    if objective.retain_weight:
        raise UserError("--retain_weight is for ratios of a fixed mean: free ones have --price in its place")
    if objective.reward_model:
        raise UserError("--reward_model is for a search of a few ratios: leave it out for free ones")
    soft = objective.targets == "soft"
    if soft and not objective.teacher_top_k and ratios.mask_level not in FREE_LEVELS:
        raise UserError(f"soft targets at --mask_level {ratios.mask_level} need --teacher_top_k, such as 64")
    if (out / JSON_NAME).exists() and not overwrite:
        raise UserError(
            f"{out / JSON_NAME} exists already: choose another --out, or replace it with --overwrite"
        )


def _check_names(free: FreeRatios, before: Path) -> None:
    """Check that a merge will find every tensor under its name in memory."""
    stored = read_checkpoint(before, str(before)).tensors
    missing = [name for name in free.group_of if name not in stored]
    if missing:
        raise UserError(
            f"'{missing[0]}' of the model in memory is stored under other names in {before}, as fused "
            "experts are: free ratios can't be merged there; use the ratios of a fixed mean"
        )


def _steps(rows: int, arguments: TrainingArguments) -> int:
    """Return the steps of each price for so many passes over the data."""
    batch: int = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
    return max(1, math.ceil(float(arguments.num_train_epochs) * rows / batch))


class _Segments(TrainerCallback):
    """At the last step of each price, write its ratios, before a checkpoint of that step could be made."""

    def __init__(self, free: FreeRatios, prices: Sequence[float], steps: int, out: Path) -> None:
        self._free, self._prices, self._steps, self._out = free, prices, steps, out

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.global_step % self._steps:
            return
        price = self._prices[state.global_step // self._steps - 1]
        values = {name: self._free.stored(name) for name in self._free.group_of}
        means = self._free.means()
        if is_first():
            mean = write_price(self._out, price, values, means, self._free.sizes)
            sys.stderr.write(f"price {price:g}: mean ratio {mean:.4f}\n")
