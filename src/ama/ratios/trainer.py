"""Training of the raw scalars: the Hugging Face Trainer with AMA's objective; checkpoints of scalars only."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer

from ama.data.labelled_blocks import IGNORED
from ama.models.sharded import gathered
from ama.ratios.module import LearnedRatios
from ama.ratios.objective import summed_loss
from ama.ratios.penalty import Penalty, penalty

_SCALARS = "scalars.bin"


class MaskTrainer(Trainer):
    """Minimise mean token cross-entropy + retain_weight * that of retain blocks + reg_alpha * penalty."""

    def __init__(
        self, *, reg_alpha: float, kind: Penalty, weights: Tensor, retain_weight: float, **options: Any
    ) -> None:
        """Take the objective's numbers; all other options are the Trainer's.

        Args:
            reg_alpha: weight of the penalty.
            kind: which penalty.
            weights: of `penalty_weights`, shape (n,).
            retain_weight: weight of the retain term; data then hold `retain_ids` beside `input_ids`.
            **options: of `transformers.Trainer`; the model is a masked one.
        """
        super().__init__(**options)
        self.reg_alpha, self.kind, self.weights, self.retain_weight = reg_alpha, kind, weights, retain_weight
        # The Trainer then passes the number of labels over all processes and accumulation steps.
        self.model_accepts_loss_kwargs = True

    @property
    def ratios(self) -> LearnedRatios:
        """The module of the learned ratios."""
        module: LearnedRatios = self.accelerator.unwrap_model(self.model).learned_ratios
        return module

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the objective of one micro-batch, scaled so that sums over ranks and steps give the mean."""
        ids, labels = inputs["input_ids"], inputs["labels"]
        rows = len(ids)
        if "retain_ids" in inputs:
            ids = torch.cat([ids, inputs["retain_ids"]])
        outputs = model(input_ids=ids, use_cache=False)
        count = num_items_in_batch
        if count is None:
            count = labels[:, 1:].ne(IGNORED).sum()
        loss = summed_loss(outputs.logits[:rows], labels) / count * self._processes(num_items_in_batch)
        steps = self.args.gradient_accumulation_steps if num_items_in_batch is not None else 1
        if "retain_ids" in inputs:
            retained = inputs["retain_ids"]
            mean = summed_loss(outputs.logits[rows:], retained) / (retained.numel() - len(retained))
            loss = loss + self.retain_weight * mean / steps
        if self.reg_alpha:
            ratios = self.ratios()
            term = penalty(self.kind, ratios, self.ratios.mean, self.weights.to(ratios.device))
            loss = loss + self.reg_alpha * term / steps
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the ratios to each line of the log."""
        with torch.no_grad(), gathered([self.ratios.scaled_raw]):
            values: Any = self.ratios.forward().tolist()
        super().log({**logs, "ratios": values}, start_time)

    def _processes(self, count: Tensor | int | None) -> int:
        """Return the weight of this rank's share of a global mean: ranks average their gradients."""
        return 1 if count is None else int(self.accelerator.num_processes)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the raw scalars alone: the weights are frozen, and lie in the input folders."""
        with gathered([self.ratios.scaled_raw]):
            if self.args.should_save:
                folder = Path(output_dir or str(self.args.output_dir))
                folder.mkdir(parents=True, exist_ok=True)
                torch.save(self.ratios.scaled_raw.detach().cpu(), folder / _SCALARS)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.is_deepspeed_enabled:
            # DeepSpeed can leave the frozen weights out, too; the Trainer asks for it for PEFT models only.
            engine: Any = self.model_wrapped
            engine.save_checkpoint = partial(
                type(engine).save_checkpoint, engine, exclude_frozen_parameters=True
            )
        super()._save_optimizer_and_scheduler(output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        scalars = torch.load(Path(resume_from_checkpoint) / _SCALARS, weights_only=True)
        with torch.no_grad():
            self.ratios.scaled_raw.copy_(scalars)
