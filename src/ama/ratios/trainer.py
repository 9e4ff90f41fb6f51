"""Training of ratios by the Hugging Face Trainer; its checkpoints hold their raw scalars only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)

from ama.models.sharded import gathered
from ama.ratios.convergence import describe_path, ratio_path
from ama.ratios.learned_ratios import LearnedRatios, learned_mask
from ama.ratios.masked_model import mask_model
from ama.ratios.objective import Objective, Ratios
from ama.ratios.parameter_blocks import ParameterBlocks
from ama.ratios.result import RatioResult
from ama.settings.ratios import RatioTrainingSettings
from ama.training.arguments import training_arguments

_SCALARS = "scalars.bin"


class RatioTrainer(Trainer):
    """Minimise an objective over the raw scalars of a masked model."""

    def __init__(
        self, *, objective: Objective, ratios: Ratios, prices: Sequence[float] = (), **options: Any
    ) -> None:
        """Take what is minimised; all other options are the Trainer's.

        Args:
            objective: the objective.
            ratios: of the masked model.
            prices: of before's side, walked in equal numbers of steps; the learning rate falls anew for each.
            **options: of the Trainer; the model is a masked one.
        """
        self.objective: Objective = objective
        self.ratios: Ratios = ratios
        self.prices = tuple(prices)
        super().__init__(**options)
        # The Trainer then passes the number of labels over all processes and accumulation steps.
        self.model_accepts_loss_kwargs = True

    @property
    def steps_per_price(self) -> int:
        """How many optimizer steps each price has."""
        return self.state.max_steps // max(1, len(self.prices))

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return the schedule of the learning rate: the Trainer's, begun anew at each price."""
        if not self.prices:
            return super().create_scheduler(num_training_steps, optimizer)
        steps = num_training_steps // len(self.prices)
        warmup = self.args.get_warmup_steps(steps)

        def factor(step: int) -> float:
            within = step % steps
            if within < warmup:
                return float(within / warmup)
            return 0.5 * (1 + math.cos(math.pi * (within - warmup) / (steps - warmup)))

        schedule: Any = LambdaLR
        self.lr_scheduler = schedule(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the objective of one micro-batch, scaled so that sums over ranks and steps give the mean."""
        share: dict[str, Any] = {}
        if num_items_in_batch is not None:
            share = {"labels": num_items_in_batch, "processes": int(self.accelerator.num_processes)}
            share["micro_batches"] = self.args.gradient_accumulation_steps
        if self.prices:
            share["price"] = self.prices[self.state.global_step // self.steps_per_price]
        loss, outputs = self.objective.in_step(model, self.ratios, inputs, **share)
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the ratios to each line of the log."""
        values: Any = self.ratios.summary()
        super().log({**logs, "ratios": values}, start_time)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the raw scalars alone: the weights are frozen, and lie in the input folders."""
        values = {}
        for name, parameter in self.ratios.trained().items():
            with gathered([parameter]):
                values[name] = parameter.detach().cpu().clone()
        if self.args.should_save:
            folder = Path(output_dir or str(self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            torch.save(values, folder / _SCALARS)

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
        for name, parameter in self.ratios.trained().items():
            with torch.no_grad(), gathered([parameter], write=True):
                parameter.copy_(scalars[name])


def train_ratios(
    before: PreTrainedModel,
    after: PreTrainedModel,
    ratios: LearnedRatios,
    blocks: ParameterBlocks,
    objective: Objective,
    arguments: TrainingArguments,
    callbacks: Sequence[TrainerCallback] = (),
    checkpoint: str | None = None,
) -> RatioResult:
    """Train the ratios by AdamW.

    Args:
        before: the model before RLHF; used up.
        after: the model after RLHF, of the same parameters; becomes the masked model.
        ratios: where they start; they are trained in place.
        blocks: which parameters share a ratio.
        objective: what they minimise, with a gradient.
        arguments: of the Hugging Face Trainer.
        callbacks: of the Trainer, beside its own.
        checkpoint: folder of a checkpoint to go on from.
    """
    start = ratios().tolist()
    trainer = RatioTrainer(
        objective=objective,
        ratios=ratios,
        model=mask_model(before, after, ratios, blocks),
        args=arguments,
        train_dataset=rows_of(objective),
        data_collator=default_data_collator,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    done = trainer.train(resume_from_checkpoint=checkpoint)
    with gathered([ratios.scaled_raw]):
        mask = learned_mask(ratios, blocks)
    history = trainer.state.log_history
    verdict = describe_path(start, history, arguments.learning_rate)
    return RatioResult(mask, [start, *ratio_path(history)], verdict, done.metrics)


def rows_of(objective: Objective) -> list[dict[str, Tensor]]:
    """Return the rows that a training goes through."""
    data = objective.data
    return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]


def ratio_arguments(out: Path, training: RatioTrainingSettings, **others: Any) -> TrainingArguments:
    """Return the Trainer's arguments, and join the other processes of the run.

    Args:
        out: folder of the checkpoints.
        training: the hyperparameters.
        **others: further arguments.

    Raises:
        UserError: as `ama.training.arguments.training_arguments`.
    """
    return training_arguments(
        TrainingArguments,
        out,
        training,
        training.micro_batch,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        adam_beta2=training.beta2,
        max_grad_norm=0.0,
        logging_steps=1,
        remove_unused_columns=False,
        # The weights are loaded in bfloat16: nothing is left to cast.
        bf16=False,
        # As it stands: there is no model to save whole.
        deepspeed=str(training.deepspeed) if training.deepspeed else None,
        **others,
    )
