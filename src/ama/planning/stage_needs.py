"""What each command of an experiment needs, by the settings that its line gives and its processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ama.console.command import Chosen
from ama.evaluation.sweep.words import read_measure
from ama.planning import needs
from ama.planning.launched import read_line, zero_stage
from ama.planning.needs import Training
from ama.planning.training_needs import TRAININGS, old_line
from ama.settings.base import Settings
from ama.settings.evaluation import SweepSettings
from ama.settings.measures import (
    BatchSize,
    GoldSettings,
    HarnessSettings,
    LossSettings,
    OpenCompassSettings,
    PairrmSettings,
    RewardSettings,
)
from ama.settings.planning import ModelSize
from ama.settings.ratios import ObjectiveSettings, RatioTrainingSettings
from ama.settings.sampling import CollectSettings, PromptSettings, SamplingSettings, SeedlessSampling

# Prepared data sets: HH-RLHF's helpful subsets are the largest.
_DATA = 2e9
# PairRM has 0.44e9 parameters, in float32.
_PAIRRM = 1.8e9
# Where the settings leave it to the model or to lm-eval: tokens of a text, of a prompt, items at a time.
_CONTEXT, _PROMPT, _AUTO_BATCH = 2048, 256, 16


@dataclass(frozen=True)
class Needs:
    """The estimate for a stage, in bytes.

    Attributes:
        processes: one on each GPU.
        memory: on each GPU, or of each process on a CPU.
        during: on disk while it runs, beside what stays.
        kept: on disk when it has ended.
    """

    processes: int
    memory: float
    during: float
    kept: float


@dataclass(frozen=True)
class Run:
    """A command with its settings and processes, for a model of some size."""

    chosen: Chosen
    processes: int
    model: ModelSize


_Estimate = tuple[float, float, float]


def needs_of(line: str, model: ModelSize) -> Needs:
    """Return what a stage needs; all zero for one that is not among those of an experiment.

    Raises:
        UserError: the line can't be read, or its command would refuse its settings.
    """
    launched = read_line(line)
    if launched.command in TRAININGS:
        memory, during, kept = TRAININGS[launched.command](old_line(launched), model)
        return Needs(launched.processes, memory + needs.OVERHEAD, during, kept)
    estimate = ESTIMATES.get(launched.command)
    if estimate is None:
        is_download = line.startswith("hf ")
        return Needs(1, 0.0, 0.0, model.weights if is_download else 0.0)
    memory, during, kept = estimate(Run(launched.settings(), launched.processes, model))
    return Needs(launched.processes, memory + needs.OVERHEAD if memory else 0.0, during, kept)


def _optimize_masks(run: Run) -> _Estimate:
    settings = run.chosen[RatioTrainingSettings]
    how = Training(
        processes=run.processes,
        zero_stage=zero_stage(settings.deepspeed),
        half=settings.bf16,
        sequences=settings.micro_batch,
        tokens=run.chosen[ObjectiveSettings].block_size,
        recompute=settings.gradient_checkpointing,
    )
    width = 2 if settings.bf16 else run.model.width
    return 2 * needs.frozen_model(run.model, how, width) + needs.activations(run.model, how), 0.0, 1e6


def _collect_samples(run: Run) -> _Estimate:
    judge = run.model.weights if run.chosen[CollectSettings].reward_model else 0.0
    prompt = run.chosen[PromptSettings].max_prompt_tokens
    return _replies(run.chosen[SamplingSettings], run.model, prompt, judge), 0.0, 1e8


def _replies(sampling: SeedlessSampling, model: ModelSize, prompt: int | None, judge: float) -> float:
    """Bytes of a model that replies, and of the judge of its replies."""
    tokens = (prompt or _PROMPT) + sampling.max_new_tokens
    return needs.sampling(model, sampling.sample_batch, tokens) + judge


def _evaluation(kind: type[Settings]) -> Callable[[Run], _Estimate]:
    return lambda run: (_measured(run.chosen[kind], run.model), 0.0, 1e8)


def _measured(settings: Settings, model: ModelSize) -> float:
    """Bytes of a model that is measured, with what measures it."""
    match settings:
        case HarnessSettings():
            return _read_or_asked(model, settings.batch_size, _CONTEXT)
        case OpenCompassSettings():
            return _read_or_asked(model, settings.batch_size, settings.max_seq_len + settings.max_out_len)
        case LossSettings():
            return needs.scoring(model, settings.batch, settings.block_size)
        case RewardSettings() | PairrmSettings() | GoldSettings():
            judge = {RewardSettings: model.weights, PairrmSettings: _PAIRRM}.get(type(settings), 0.0)
            return _replies(settings, model, settings.max_prompt_tokens, judge)
    raise TypeError(f"no estimate for {type(settings).__name__}")


def _read_or_asked(model: ModelSize, batch: BatchSize, tokens: int) -> float:
    """Bytes where a task has texts that are scored, or questions that are replied to."""
    items = _AUTO_BATCH if batch == "auto" else int(batch)
    return max(needs.scoring(model, items, tokens), needs.sampling(model, items, tokens))


def _pareto(run: Run) -> _Estimate:
    measured = [_measured(read_measure(word), run.model) for word in run.chosen[SweepSettings].measure]
    # Before, after and the average of the two are in memory.
    return max(measured, default=run.model.weights) + 2 * run.model.weights, 0.0, 1e9


def _prepared(_: Run) -> _Estimate:
    return 0.0, _DATA, _DATA


def _written(run: Run) -> _Estimate:
    """A checkpoint that is streamed: no GPU, and little memory."""
    return 0.0, 0.0, run.model.weights


ESTIMATES: dict[str, Callable[[Run], _Estimate]] = {
    **dict.fromkeys(("prepare_hh_rlhf", "build_eval_data", "prepare_alpaca_eval"), _prepared),
    **dict.fromkeys(("prepare_smollm2", "interpolate", "merge_masks"), _written),
    "collect_samples": _collect_samples,
    "optimize_masks": _optimize_masks,
    "evaluate_harness": _evaluation(HarnessSettings),
    "evaluate_opencompass": _evaluation(OpenCompassSettings),
    "evaluate_reward": _evaluation(RewardSettings),
    "evaluate_pairrm": _evaluation(PairrmSettings),
    "evaluate_loss": _evaluation(LossSettings),
    "pareto": _pareto,
}
