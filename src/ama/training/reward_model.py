"""A reward model from preference pairs with TRL, and its accuracy on pairs that it has not seen."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import set_seed
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer

from ama.checkpoint.staging import check_model_target
from ama.data.pairs import Pair, read_pairs
from ama.errors import UserError
from ama.models import load_reward_model, load_tokenizer, new_reward_model, quiet
from ama.processes import own_device
from ama.sampling.encoding import check_vocabulary, padding_id
from ama.sampling.reward import score_texts
from ama.settings.base import record_of
from ama.settings.training import (
    REWARD,
    LoraSettings,
    RewardModelSettings,
    TrainingFiles,
    TrainingSettings,
)
from ama.training.arguments import stage_arguments
from ama.training.lora import lora_config
from ama.training.pair_rows import encode_pairs
from ama.training.stage import describe_run, finish, train, work_of

_LORA, _REWARD_MODEL = LoraSettings(), RewardModelSettings()
_QUANTILE = 1.959964


@dataclass(frozen=True)
class Accuracy:
    """How often the preferred reply gets the higher reward.

    Attributes:
        value: share of the pairs, in [0, 1].
        low: lower end of Wilson's 95 % interval.
        high: its upper end.
        pairs: how many.
    """

    value: float
    low: float
    high: float
    pairs: int

    @staticmethod
    def of(right: int, pairs: int) -> Accuracy:
        """Return the accuracy of `right` right answers of `pairs`, 1 or more."""
        share, square = right / pairs, _QUANTILE**2
        middle = (share + square / (2 * pairs)) / (1 + square / pairs)
        spread = math.sqrt(share * (1 - share) / pairs + square / (4 * pairs**2))
        half = _QUANTILE * spread / (1 + square / pairs)
        return Accuracy(share, max(0.0, middle - half), min(1.0, middle + half), pairs)


def hold_out(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Set a share of the pairs apart, drawn by prompt so that no prompt is in both parts.

    Returns:
        The pairs to train on, and those to measure on.

    Raises:
        UserError: either would be empty.
    """
    prompts = sorted({pair.prompt for pair in pairs})
    random.Random(seed).shuffle(prompts)
    apart = set(prompts[: round(share * len(prompts))])
    parts = (
        [pair for pair in pairs if pair.prompt not in apart],
        [pair for pair in pairs if pair.prompt in apart],
    )
    if not all(parts):
        raise UserError(
            f"--held_out {share} of {len(prompts)} prompts leaves nothing on one side: give --eval_data"
        )
    return parts


def run_reward_model(
    files: TrainingFiles,
    reward_model: RewardModelSettings = _REWARD_MODEL,
    training: TrainingSettings = REWARD,
    lora: LoraSettings = _LORA,
) -> None:
    """Read pairs, train a reward model on them and measure it on others; see `train_reward_model`.

    Raises:
        UserError: a result that is there already, data that can't be read, or as `train_reward_model`.
    """
    check_model_target(files.out, overwrite=files.overwrite)
    pairs = read_pairs(files.data)
    if reward_model.eval_data:
        held_out = read_pairs(reward_model.eval_data)
    else:
        pairs, held_out = hold_out(pairs, reward_model.held_out, training.seed)
    train_reward_model(
        files.model,
        pairs,
        held_out,
        files.out,
        training,
        lora,
        max_length=reward_model.max_length,
        given=record_of([files, reward_model, training, lora]),
    )


def train_reward_model(
    base: Path,
    pairs: Sequence[Pair],
    held_out: Sequence[Pair],
    out: Path,
    training: TrainingSettings = REWARD,
    lora: LoraSettings = _LORA,
    *,
    max_length: int = _REWARD_MODEL.max_length,
    given: Mapping[str, object] | None = None,
) -> None:
    """Train a reward model on -log sigmoid(r_chosen - r_rejected), save it and report its accuracy.

    Goes on where an earlier run of the same was cut short. The accuracy is in the folder's training.json.

    Args:
        base: folder of a causal language model, which gets a fresh head, or of a reward model.
        pairs: to train on.
        held_out: to measure on.
        out: folder for the reward model.
        training: the hyperparameters.
        lora: adapters to train in place of the weights.
        max_length: pairs with a text of more tokens are left out, and counted on stderr.
        given: settings of the command, for the record.

    Raises:
        UserError: no pair is short enough, a tokenizer that does not fit, a batch that can't be divided, an
            unfinished run of other settings in the work folder, or a loss that is no number.
    """
    quiet()
    tokenizer = load_tokenizer(base)
    pad = padding_id(tokenizer)
    rows = [
        {"chosen_ids": chosen.ids, "rejected_ids": rejected.ids}
        for _, chosen, rejected in encode_pairs(tokenizer, pairs, max_length, "training")
    ]
    measured_on = [pair for pair, *_ in encode_pairs(tokenizer, held_out, max_length, "held-out")]
    data = [rows, [asdict(pair) for pair in measured_on]]
    run = describe_run([training, lora], data, base=str(base), max_length=max_length)
    options: dict[str, Any] = {"max_length": None}
    arguments = stage_arguments(RewardConfig, work_of(out), training, **options)
    set_seed(training.seed)
    model = new_reward_model(base)
    check_vocabulary(model, tokenizer)
    model.config.pad_token_id = pad
    trainer = RewardTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora_config(lora, model, "score"),
    )
    train(trainer, run)

    def measure(folder: Path) -> Mapping[str, object]:
        accuracy = measure_accuracy(folder, measured_on, 4 * (training.micro_batch or training.batch))
        if trainer.is_world_process_zero():
            sys.stderr.write(
                f"accuracy on {accuracy.pairs} held-out pairs: {accuracy.value:.3f} "
                f"(95 % interval {accuracy.low:.3f} to {accuracy.high:.3f})\n"
            )
        return {"accuracy": asdict(accuracy)}

    finish(trainer, tokenizer, base, out, training.dtype, run, given, measure)


def measure_accuracy(folder: Path, pairs: Sequence[Pair], batch: int) -> Accuracy:
    """Return how often a reward model prefers the preferred reply; the processes of a run share the work."""
    model: Any = load_reward_model(folder)
    model.to(own_device())
    texts = [pair.prompt + reply for pair in pairs for reply in (pair.chosen, pair.rejected)]
    scores = score_texts(model, load_tokenizer(folder), texts, batch)
    right = sum(chosen > rejected for chosen, rejected in zip(scores[::2], scores[1::2], strict=True))
    return Accuracy.of(right, len(pairs))
