"""From settings to the arguments of TRL's trainers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ama.errors import UserError
from ama.processes import free_trainer, join_deepspeed
from ama.training.settings import StageSettings

if TYPE_CHECKING:
    from transformers import TrainingArguments

_Arguments = TypeVar("_Arguments", bound="TrainingArguments")


def trainer_arguments(
    kind: type[_Arguments], work: Path, settings: StageSettings, **others: Any
) -> _Arguments:
    """Return a trainer's arguments, and join the other processes of the run.

    Args:
        kind: the class of the arguments, such as `trl.SFTConfig`.
        work: folder for the checkpoints.
        settings: the hyperparameters.
        **others: arguments of this kind of training.

    Raises:
        UserError: a batch that the processes can't share, or a DeepSpeed configuration that is none.
    """
    import torch

    # TRL uses names that transformers is about to drop.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    micro, accumulation = settings.split_batch()
    shared: dict[str, Any] = {
        "output_dir": str(work),
        "learning_rate": settings.lr,
        "lr_scheduler_type": "cosine",
        "warmup_steps": settings.warmup,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": accumulation,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "weight_decay": settings.weight_decay,
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
        # The blocks to replay are a column that TRL does not know.
        "remove_unused_columns": not settings.remedies.replay,
    }
    return kind(**{**shared, **others})


def deepspeed_config(settings: StageSettings) -> dict[str, Any] | None:
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


def join_for_training(settings: StageSettings) -> None:
    """Join the other processes as a training with these settings would, for sampling before it.

    Raises:
        UserError: as `trainer_arguments`.
    """
    from transformers import TrainingArguments

    trainer_arguments(TrainingArguments, Path("unused"), settings)
    free_trainer()
