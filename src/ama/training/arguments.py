"""From settings to the arguments of a Trainer, for every training of this project."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import TrainingArguments

from ama.errors import UserError
from ama.processes import free_trainer, join_deepspeed, launched
from ama.settings.training import TrainerSettings, TrainingSettings

_Arguments = TypeVar("_Arguments", bound=TrainingArguments)


def training_arguments(
    kind: type[_Arguments], work: Path, settings: TrainerSettings, micro_batch: int, **others: Any
) -> _Arguments:
    """Return a Trainer's arguments, and join the other processes of the run.

    Args:
        kind: the class of the arguments: `TrainingArguments`, or TRL's such as `SFTConfig`.
        work: folder for the checkpoints.
        settings: the hyperparameters.
        micro_batch: examples at a time on each process.
        **others: arguments of this kind of training, and those that differ in it.

    Raises:
        UserError: a DeepSpeed configuration that is none, or DeepSpeed without a launcher.
    """
    shared: dict[str, Any] = {
        "output_dir": str(work),
        "learning_rate": settings.lr,
        "lr_scheduler_type": "cosine",
        "warmup_steps": settings.warmup,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": micro_batch,
        "activation_checkpointing": settings.gradient_checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False},
        "seed": settings.seed,
        "bf16": settings.bf16,
        "save_steps": settings.save_steps,
        "save_total_limit": 1,
        "logging_steps": 0.1,
        "logging_nan_inf_filter": False,
        "deepspeed": deepspeed_config(settings),
        "accelerator_config": join_deepspeed(str(settings.deepspeed) if settings.deepspeed else None),
        "use_cpu": not torch.accelerator.is_available() and not settings.deepspeed,
        "disable_tqdm": True,
        "report_to": "none",
    }
    return kind(**{**shared, **others})


def stage_arguments(
    kind: type[_Arguments], work: Path, training: TrainingSettings, **others: Any
) -> _Arguments:
    """Return the arguments of a training whose batch counts the examples of all processes.

    Raises:
        UserError: as `training_arguments` and `split_batch`.
    """
    # TRL uses names that transformers is about to drop.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    micro_batch, accumulation = split_batch(training)
    own = {
        "gradient_accumulation_steps": accumulation,
        "weight_decay": training.weight_decay,
        "adam_beta2": training.beta2,
    }
    return training_arguments(kind, work, training, micro_batch, **{**own, **others})


def split_batch(training: TrainingSettings) -> tuple[int, int]:
    """Return how many examples at a time each process takes, and how often in an optimizer step.

    Raises:
        UserError: the batch is no multiple of the processes, or of what they take at a time.
    """
    processes = launched()[1]
    share, rest = divmod(training.batch, processes)
    if rest:
        raise UserError(f"batch {training.batch} can't be shared by {processes} processes: give a multiple")
    micro = min(training.micro_batch or share, share)
    if share % micro:
        raise UserError(
            f"a process's share of the batch, {share}, is no multiple of micro_batch {micro}: change one"
        )
    return micro, share // micro


def deepspeed_config(settings: TrainerSettings) -> dict[str, Any] | None:
    """Return the DeepSpeed configuration with what the settings say, None to run without DeepSpeed.

    Raises:
        UserError: the file is missing or no JSON object.
    """
    if settings.deepspeed is None:
        return None
    try:
        config = json.loads(settings.deepspeed.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"--deepspeed {settings.deepspeed} is no JSON file: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"--deepspeed {settings.deepspeed} is no JSON object")
    config["bf16"] = {"enabled": settings.bf16}
    zero = config.setdefault("zero_optimization", {})
    if zero.get("stage") == 3:
        # The model is saved whole at the end.
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    return config


def join_for_training(training: TrainingSettings) -> None:
    """Join the other processes as a training with these settings would, for sampling before it.

    Raises:
        UserError: as `stage_arguments`.
    """
    stage_arguments(TrainingArguments, Path("unused"), training)
    free_trainer()
