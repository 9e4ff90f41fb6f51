"""The baselines that the paper compares with averaging: terms that any trainer's loss may get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.models.utils import prepare_deepspeed

from ama.data import pack, read_texts
from ama.errors import UserError
from ama.models import load_model
from ama.models.sharded import is_divided
from ama.settings.training import BaselineSettings, LoraSettings
from ama.training.distance import DividedPenalty, distance_penalty
from ama.training.moving_average import MovingAverage

REPLAY = "replay_ids"


class WithBaselines:
    """A mixin for a trainer of TRL: `class Trainer(WithBaselines, SFTTrainer)`, then `trainer.use(...)`."""

    _settings: BaselineSettings = BaselineSettings()
    _before: Any = None
    _start: Mapping[str, nn.Parameter] = {}
    _divided: DividedPenalty | None = None

    def use(self, settings: BaselineSettings, before: PreTrainedModel | None) -> None:
        """Add the terms to the loss, and keep a moving average of the weights where one is asked for.

        Args:
            settings: the terms' weights and the average's decay.
            before: the model before RLHF in float32, None where no term needs it.
        """
        trainer: Any = self
        self._settings = settings
        if before is not None:
            # transformers loads models in evaluation mode.
            before.requires_grad_(False)
            self._start = dict(before.named_parameters())
            self._before = _placed(before, trainer.accelerator)
        if settings.replay_weight:
            trainer.data_collator = with_replay(trainer.data_collator)
        if settings.ema:
            trainer.add_callback(MovingAverage(settings.ema))

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the trainer's own loss and the terms."""
        trainer: Any = self
        replayed = inputs.pop(REPLAY, None)
        parent: Any = super()
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        loss, outputs = parent.compute_loss(model, inputs, True, num_items_in_batch)
        if model.training:
            extra = self._distance(model) + self._distillation(outputs, ids, mask)
            if replayed is not None:
                extra = extra + self._settings.replay_weight * language_loss(model, replayed)
            # The Trainer divides by the accumulation steps only where it does not pass the number of items.
            counted = trainer.model_accepts_loss_kwargs and num_items_in_batch is not None
            loss = loss + extra / (trainer.current_gradient_accumulation_steps if counted else 1)
        return (loss, outputs) if return_outputs else loss

    def _distance(self, model: nn.Module) -> Tensor | float:
        """Return the penalties on the weights; the value alone under ZeRO-3, whose steps get the gradient."""
        trainer: Any = self
        l1, l2 = self._settings.l1, self._settings.l2
        if not (l1 or l2):
            return 0.0
        if not any(map(is_divided, self._start.values())):
            return distance_penalty(trainer.accelerator.unwrap_model(model), self._start, l1, l2)
        if self._divided is None:
            self._divided = DividedPenalty(model, self._start, l1, l2)
        return self._divided.value()

    def _distillation(self, outputs: Any, ids: Tensor, mask: Tensor) -> Tensor | float:
        if not self._settings.distill:
            return 0.0
        with torch.no_grad():
            logits = self._before(input_ids=ids, attention_mask=mask, use_cache=False).logits
        return self._settings.distill * distillation(outputs["logits"], logits, mask)


def _placed(before: PreTrainedModel, accelerator: Any) -> Any:
    """Return the model before where it can be called: on the device, or as a ZeRO-3 model of its own."""
    if not any(map(is_divided, before.parameters())):
        place: Any = before.to
        return place(accelerator.device)
    return prepare_deepspeed(before, accelerator)


def distillation(logits: Tensor, before: Tensor, mask: Tensor) -> Tensor:
    """Return ||pi - pi0||^2, the mean over tokens of the squared distance of the next-token distributions.

    Args:
        logits: of the trained model, shape (rows, tokens, vocabulary).
        before: of the model before RLHF, the same shape.
        mask: 1 where a token counts, shape (rows, tokens).
    """
    squared = (logits.float().softmax(-1) - before.float().softmax(-1)).square().sum(-1)
    return (squared * mask).sum() / mask.sum()


def language_loss(model: nn.Module, ids: Tensor) -> Tensor:
    """Return the mean cross-entropy per predicted token, in nats, of blocks of shape (rows, tokens)."""
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[:, :-1]
    return cross_entropy(logits.float().transpose(1, 2), ids[:, 1:])


def with_replay(
    collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]],
) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
    """Let a collator pass the replay blocks of its rows on."""

    def collate(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        return {**collator(rows), REPLAY: torch.tensor([row[REPLAY] for row in rows])}

    return collate


def replayed(
    rows: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, baselines: BaselineSettings
) -> list[dict[str, Any]]:
    """Give each row a block of general text to replay, in turn; the rows as they are without replay.

    Raises:
        UserError: files that can't be read or fill no block.
    """
    if not baselines.replay:
        return rows
    blocks = pack(read_texts(baselines.replay), tokenizer, baselines.replay_block).tolist()
    return [{**row, REPLAY: blocks[number % len(blocks)]} for number, row in enumerate(rows)]


def model_before(folder: Path, baselines: BaselineSettings, lora: LoraSettings) -> PreTrainedModel | None:
    """Load the model that the baselines hold on to, None where none needs it; divided under ZeRO-3.

    Raises:
        UserError: a penalty on weights together with adapters.
    """
    if lora.lora_r is not None and (baselines.l1 or baselines.l2):
        raise UserError("--l1 and --l2 hold the weights near before; with --lora_r they are frozen: drop one")
    if not baselines.needs_before:
        return None
    return load_model(folder, "float32")
