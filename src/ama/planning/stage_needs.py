"""What each command of an experiment needs, by what its line says of processes, DeepSpeed and sizes."""

from collections.abc import Callable
from dataclasses import dataclass

from ama.planning import needs
from ama.planning.launched import Line, read_line
from ama.planning.needs import ModelSize

# What the commands take where the line does not say: as in their --help.
_MICRO_BATCH, _BLOCK, _SAMPLE_BATCH, _PROMPT, _NEW_TOKENS = 4, 512, 64, 256, 128
# Prepared data sets: HH-RLHF's helpful subsets are the largest.
_DATA = 2e9
# PairRM has 0.44e9 parameters, in float32.
_PAIRRM = 1.8e9


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


def needs_of(command: str, model: ModelSize) -> Needs:
    """Return what a command needs; all zero for one that is not among those of an experiment.

    Raises:
        UserError: as `read_line`, or a number out of range.
    """
    line = read_line(command)
    estimate = ESTIMATES.get(line.module)
    if estimate is None:
        is_download = command.startswith("hf ")
        return Needs(1, 0.0, 0.0, model.weights if is_download else 0.0)
    memory, during, kept = estimate(line, model)
    return Needs(line.processes, memory + needs.OVERHEAD if memory else 0.0, during, kept)


_Estimate = tuple[float, float, float]


def _train_sft(line: Line, model: ModelSize) -> _Estimate:
    how = line.training(line.number("micro_batch", _MICRO_BATCH), line.number("block_size", _BLOCK))
    memory = needs.trained_model(model, how) + needs.activations(model, how)
    return memory, 2 * needs.checkpoint(model, how), model.weights


def _train_reward(line: Line, model: ModelSize) -> _Estimate:
    # A pair is two sequences.
    how = line.training(2 * line.number("micro_batch", _MICRO_BATCH), line.number("max_length", _BLOCK))
    memory = needs.trained_model(model, how) + needs.activations(model, how, language=False)
    return memory, 2 * needs.checkpoint(model, how), model.weights


def _train_dpo(line: Line, model: ModelSize) -> _Estimate:
    how = line.training(2 * line.number("micro_batch", _MICRO_BATCH), line.number("max_length", _BLOCK))
    reference = 0.0 if how.lora_rank is not None else needs.frozen_model(model, how)
    memory = needs.trained_model(model, how) + reference + needs.activations(model, how)
    return memory, 2 * needs.checkpoint(model, how), model.weights


def _train_ppo(line: Line, model: ModelSize) -> _Estimate:
    tokens = line.number("max_prompt_tokens", _PROMPT) + line.number("max_new_tokens", _NEW_TOKENS)
    how = line.training(line.number("batch", 32), tokens)
    # Policy and value are trained, reference and reward model are read.
    states = 2 * needs.trained_model(model, how) + 2 * needs.frozen_model(model, how)
    memory = states + 2 * needs.activations(model, how)
    return memory, 4 * needs.checkpoint(model, how), model.weights


def _train_raft(line: Line, model: ModelSize) -> _Estimate:
    trained, during, kept = _train_sft(line, model)
    return max(trained, _with_judge(line, model)), during, kept * line.number("iterations", 10)


def _optimize_masks(line: Line, model: ModelSize) -> _Estimate:
    how = line.training(line.number("per_device_train_batch_size", 1), line.number("block_size", _BLOCK))
    width = 2 if how.half else model.width
    return 2 * needs.frozen_model(model, how, width) + needs.activations(model, how), 0.0, 1e6


def _with_judge(line: Line, model: ModelSize) -> float:
    """Sample, then score with a reward model of the same size."""
    tokens = line.number("max_prompt_tokens", _PROMPT) + line.number("max_new_tokens", _NEW_TOKENS)
    sequences = line.number("sample_batch", _SAMPLE_BATCH)
    judge = model.weights if line.options.get("reward_model") else 0.0
    return needs.sampling(model, sequences, tokens) + judge


def _replies(line: Line, model: ModelSize) -> _Estimate:
    judge = _PAIRRM if "pairrm" in line.options else 0.0
    return _with_judge(line, model) + judge, 0.0, 1e8


def _evaluate(line: Line, model: ModelSize) -> _Estimate:
    # lm-eval finds its own size where the line says auto.
    sequences = 16 if line.options.get("batch_size") == "auto" else line.number("batch_size", 16)
    tokens = line.number("max_seq_len", 2048)
    return max(needs.scoring(model, sequences, tokens), needs.sampling(model, sequences, tokens)), 0.0, 1e8


def _pareto(line: Line, model: ModelSize) -> _Estimate:
    measured, _, _ = _evaluate(line, model)
    if line.options.keys() & {"reward_model", "pairrm"}:
        measured = max(measured, _replies(line, model)[0])
    # Before, after and the average of the two are in memory.
    return measured + 2 * model.weights, 0.0, 1e9


# By the module of the command.
ESTIMATES: dict[str, Callable[[Line, ModelSize], _Estimate]] = {
    **dict.fromkeys(
        ("ama.prepare_hh_rlhf", "ama.build_eval_data", "ama.prepare_alpaca_eval"),
        lambda *_: (0.0, _DATA, _DATA),
    ),
    "ama.prepare_smollm2": lambda _, model: (0.0, 0.0, model.weights),
    "ama.train_sft": _train_sft,
    "ama.train_reward": _train_reward,
    "ama.train_raft": _train_raft,
    "ama.train_dpo": _train_dpo,
    "ama.train_ppo": _train_ppo,
    "ama.collect_samples": _replies,
    "ama.optimize_masks": _optimize_masks,
    # They stream: no GPU, and little memory.
    "ama.interpolate": lambda _, model: (0.0, 0.0, model.weights),
    "ama.merge_masks": lambda _, model: (0.0, 0.0, model.weights),
    "ama.evaluate_harness": _evaluate,
    "ama.evaluate_opencompass": _evaluate,
    "ama.evaluate_reward": _replies,
    "ama.evaluate_pairrm": _replies,
    "ama.pareto": _pareto,
}
