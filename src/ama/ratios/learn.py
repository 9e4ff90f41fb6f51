"""Learn averaging ratios: from two models and samples of the second to mask_alphas.bin."""

from __future__ import annotations

import shutil
from pathlib import Path

from torch import nn

from ama.averaging.schedules.mask_alphas import BIN_NAME
from ama.errors import UserError
from ama.models import quiet
from ama.processes import is_first
from ama.ratios.convergence import StopWhenConverged
from ama.ratios.inputs import Inputs, run_facts
from ama.ratios.learned_ratios import start_ratios
from ama.ratios.result import RatioResult, write_result
from ama.ratios.search import JOURNAL_NAME, search_ratios
from ama.ratios.terms import make_objective
from ama.ratios.trainer import ratio_arguments, train_ratios
from ama.sampling.journal import Journal
from ama.settings.base import record_of
from ama.settings.ratios import (
    Approach,
    ObjectiveSettings,
    RatioSettings,
    RatioTrainingSettings,
    SearchSettings,
)
from ama.training.progress import EvaluationLines, ProgressLines
from ama.training.resume import NOTE_NAME, open_work

_RATIOS, _OBJECTIVE = RatioSettings(), ObjectiveSettings()
_TRAINING, _SEARCH = RatioTrainingSettings(), SearchSettings()


def learn_ratios(
    before: Path | str,
    after: Path | str,
    data: Path | str,
    out: Path | str,
    ratios: RatioSettings = _RATIOS,
    objective: ObjectiveSettings = _OBJECTIVE,
    training: RatioTrainingSettings = _TRAINING,
    search: SearchSettings = _SEARCH,
    *,
    overwrite: bool = False,
) -> RatioResult:
    """Learn one ratio for each block of linear maps (AMA; paper, section 5).

    With theta_k(a_k) = a_k * before_k + (1 - a_k) * after_k for block k of n, and ratios of a fixed mean
    (Eq. 10 and 11; the other approach is `shifted_ratios`)

        a_k = mean_ratio * n * (sigmoid(s_k) + epsilon) / sum_j (sigmoid(s_j) + epsilon)

    the raw scalars s minimise (Eq. 9, and what is added to it)

        mean cross-entropy of the samples' tokens under theta(a)            in nats
        + retain_weight * the same of a retain set
        + reg_alpha * sum_k weight_k * |a_k - mean_ratio|                   or its square

    by AdamW with a cosine schedule, or in a search by CMA-ES, which can also maximise the reward of sampled
    replies. Under torchrun, accelerate launch or deepspeed every process makes the call, and they share the
    work. Called again after a kill with the same arguments, it goes on at its last checkpoint or evaluation
    and ends with the same bytes.

    Args:
        before: folder of the model before RLHF.
        after: folder of the model after RLHF, of the same architecture and vocabulary.
        data: samples of after, as LMFlow JSON: a file or a folder of them.
        out: folder for mask_alphas.bin (the released layout), .json (readable, with all settings) and .png.
        ratios: how parameters share ratios, their mean in (0, 1), epsilon 0 or more.
        objective: the terms and their weights, 0 or more; tokens of a block, 2 or more.
        training: learning rate above 0, steps, batch; bfloat16, DeepSpeed; seed of everything that is drawn.
        search: whether to search in place of training, and how many averages to measure.
        overwrite: replace an earlier mask_alphas.bin, at the end.

    Returns:
        The learned ratios, each 0 or more and of mean `mean_ratio`, their path, shape (steps + 1, n), a
        verdict on convergence, and numbers of the run; the same on every process.

    Raises:
        UserError: a result that is there already, settings that do not go together or do not fit the model,
            samples or models that are missing, differ or can't be read, or a loss that is not finite.
    """
    before, after, data, out = map(Path, (before, after, data, out))
    _check(ratios, objective, training, search, out / BIN_NAME, overwrite=overwrite)
    quiet()
    arguments = ratio_arguments(out, training)
    inputs = Inputs.read(before, after, data, objective, training)
    places = {"before": str(before), "after": str(after), "data": str(data), "out": str(out)}
    settings = {**places, **record_of([ratios, objective, training, search])}
    with arguments.main_process_first():
        checkpoint = open_work(out, settings)
    models = inputs.models
    blocks, start = start_ratios(models[1], ratios)
    sources = inputs.sources(blocks, ratios.mean_ratio, training, arguments.device)
    goal = make_objective(objective, sources)
    journal: Journal[float] = Journal(out, JOURNAL_NAME)
    if search.optimizer == "search":
        for model in models:
            nn.Module.to(model, arguments.device)
        note = EvaluationLines(search.evaluations, shown=is_first())
        result = search_ratios(*models, start, blocks, goal, search.evaluations, training.seed, journal, note)
    else:
        callbacks = [ProgressLines(), StopWhenConverged(training.settle_tolerance, training.settle_window)]
        result = train_ratios(*models, start, blocks, goal, arguments, callbacks, checkpoint)
    if is_first():
        write_result(result, {**settings, **run_facts(arguments, inputs.data)}, out)
        for folder in out.glob("checkpoint-*"):
            shutil.rmtree(folder)
        journal.remove()
        (out / NOTE_NAME).unlink()
    return result


def _check(
    ratios: RatioSettings,
    objective: ObjectiveSettings,
    training: RatioTrainingSettings,
    search: SearchSettings,
    result: Path,
    *,
    overwrite: bool,
) -> None:
    if ratios.approach is Approach.FREE:
        raise UserError(f"approach {Approach.FREE} has no fixed mean: call learn_free_ratios")
    if objective.price:
        raise UserError(f"--price is for free ratios: give --approach {Approach.FREE} with it")
    soft = objective.targets == "soft"
    if soft and not objective.teacher_top_k:
        raise UserError("soft targets for ratios of a fixed mean need --teacher_top_k, such as 64")
    if soft and search.optimizer == "search":
        raise UserError("--targets soft is for a training: leave out --optimizer search")
    if search.optimizer == "search" and training.deepspeed:
        raise UserError("--optimizer search does not run under DeepSpeed: use torchrun or one process")
    if objective.reward_model and search.optimizer != "search":
        raise UserError("--reward_model has no gradient in the ratios: give --optimizer search with it")
    if result.exists() and not overwrite:
        raise UserError(f"{result} exists already: choose another --out, or replace it with --overwrite")
