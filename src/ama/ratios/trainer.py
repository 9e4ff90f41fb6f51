"""Training of the raw scalars by the Hugging Face Trainer; its checkpoints hold scalars only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
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
from ama.ratios.objective import Objective
from ama.ratios.parameter_blocks import ParameterBlocks
from ama.ratios.result import RatioResult
from ama.settings.ratios import RatioTrainingSettings
from ama.training.arguments import training_arguments

_SCALARS = "scalars.bin"


class RatioTrainer(Trainer):
    """Minimise an objective over the raw scalars of a masked model."""

    def __init__(self, *, objective: Objective, **options: Any) -> None:
        """Take the objective; all other options are the Trainer's, and the model is a masked one."""
        self.objective: Objective = objective
        super().__init__(**options)
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
        share: dict[str, Any] = {}
        if num_items_in_batch is not None:
            share = {"labels": num_items_in_batch, "processes": int(self.accelerator.num_processes)}
            share["micro_batches"] = self.args.gradient_accumulation_steps
        loss, outputs = self.objective.in_step(model, self.ratios, inputs, **share)
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the ratios to each line of the log."""
        with torch.no_grad(), gathered([self.ratios.scaled_raw]):
            values: Any = self.ratios.forward().tolist()
        super().log({**logs, "ratios": values}, start_time)

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
    data = objective.data
    trainer = RatioTrainer(
        objective=objective,
        model=mask_model(before, after, ratios, blocks),
        args=arguments,
        train_dataset=[dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)],
        data_collator=default_data_collator,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    done = trainer.train(resume_from_checkpoint=checkpoint)
    with gathered([trainer.ratios.scaled_raw]):
        mask = learned_mask(trainer.ratios, blocks)
    history = trainer.state.log_history
    verdict = describe_path(start, history, arguments.learning_rate)
    return RatioResult(mask, [start, *ratio_path(history)], verdict, done.metrics)


def ratio_arguments(out: Path, training: RatioTrainingSettings) -> TrainingArguments:
    """Return the Trainer's arguments, and join the other processes of the run.

    Raises:
        UserError: as `ama.training.arguments.training_arguments`.
    """
    return training_arguments(
        TrainingArguments,
        out,
        training,
        training.micro_batch,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        max_grad_norm=0.0,
        logging_steps=1,
        remove_unused_columns=False,
        # The weights are loaded in bfloat16: nothing is left to cast.
        bf16=False,
        # As it stands: there is no model to save whole.
        deepspeed=str(training.deepspeed) if training.deepspeed else None,
    )
