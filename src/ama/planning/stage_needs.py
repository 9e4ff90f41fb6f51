"""What each command of an experiment needs, by the settings that its line gives and its processes."""

from __future__ import annotations

from collections.abc import Callable

from ama.evaluation.sweep.words import read_measure
from ama.planning import needs, training_needs
from ama.planning.launched import Run, read_line
from ama.planning.needs import Estimate
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
from ama.settings.sampling import CollectSettings, PromptSettings, SamplingSettings

# Prepared data sets: HH-RLHF's helpful subsets are the largest.
_DATA = 2e9
# PairRM has 0.44e9 parameters, in float32.
_PAIRRM = 1.8e9
# Where the settings leave it to lm-eval: tokens of a text, items at a time.
_CONTEXT, _AUTO_BATCH = 2048, 16


def needs_of(line: str, model: ModelSize) -> tuple[int, Estimate]:
    """Return the processes of a stage, one on each GPU, and what it needs; nothing for an unknown one.

    Raises:
        UserError: the line can't be read, or its command would refuse its settings.
    """
    launched = read_line(line)
    estimate = ESTIMATES.get(launched.command)
    if estimate is None:
        is_download = line.startswith("hf ")
        return 1, Estimate(0.0, 0.0, model.weights if is_download else 0.0)
    found = estimate(Run(launched.settings(), launched.processes, model))
    overhead = needs.OVERHEAD if found.memory else 0.0
    return launched.processes, found._replace(memory=found.memory + overhead)


def _collect_samples(run: Run) -> Estimate:
    judge = run.model.weights if run.chosen[CollectSettings].reward_model else 0.0
    limit = run.chosen[PromptSettings].max_prompt_tokens
    return Estimate(needs.replies(run.model, run.chosen[SamplingSettings], limit) + judge, 0.0, 1e8)


def _evaluation(kind: type[Settings]) -> Callable[[Run], Estimate]:
    return lambda run: Estimate(_measured(run.chosen[kind], run.model), 0.0, 1e8)


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
            return needs.replies(model, settings, settings.max_prompt_tokens) + judge
    raise TypeError(f"no estimate for {type(settings).__name__}")


def _read_or_asked(model: ModelSize, batch: BatchSize, tokens: int) -> float:
    """Bytes where a task has texts that are scored, or questions that are replied to."""
    items = _AUTO_BATCH if batch == "auto" else int(batch)
    return max(needs.scoring(model, items, tokens), needs.sampling(model, items, tokens))


def _pareto(run: Run) -> Estimate:
    measured = [_measured(read_measure(word), run.model) for word in run.chosen[SweepSettings].measure]
    # Before, after and the average of the two are in memory.
    memory = max(measured, default=run.model.weights) + 2 * run.model.weights
    return Estimate(memory, 0.0, 1e9)


def _prepared(_: Run) -> Estimate:
    return Estimate(0.0, _DATA, _DATA)


def _written(run: Run) -> Estimate:
    """A checkpoint that is streamed: no GPU, and little memory."""
    return Estimate(0.0, 0.0, run.model.weights)


ESTIMATES: dict[str, Callable[[Run], Estimate]] = {
    **dict.fromkeys(("prepare_hh_rlhf", "build_eval_data", "prepare_alpaca_eval"), _prepared),
    **dict.fromkeys(("prepare_smollm2", "interpolate", "merge_masks"), _written),
    "train_sft": training_needs.train_sft,
    "train_reward": training_needs.train_reward,
    "train_raft": training_needs.train_raft,
    "train_dpo": training_needs.train_dpo,
    "train_ppo": training_needs.train_ppo,
    "collect_samples": _collect_samples,
    "optimize_masks": training_needs.optimize_masks,
    "evaluate_harness": _evaluation(HarnessSettings),
    "evaluate_opencompass": _evaluation(OpenCompassSettings),
    "evaluate_reward": _evaluation(RewardSettings),
    "evaluate_pairrm": _evaluation(PairrmSettings),
    "evaluate_loss": _evaluation(LossSettings),
    "pareto": _pareto,
}
