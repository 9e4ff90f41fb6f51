"""The processes of a run that is more than one training: joining them, waiting, one trainer after another."""

from __future__ import annotations

import gc
from pathlib import Path

from ama.training.arguments import trainer_arguments
from ama.training.settings import StageSettings
from ama.training.stage import release_deepspeed


def join_processes(settings: StageSettings) -> None:
    """Join the other processes as a training with these settings would, for sampling before it.

    Raises:
        UserError: as `trainer_arguments`.
    """
    from transformers import TrainingArguments

    trainer_arguments(TrainingArguments, Path("unused"), settings)
    forget_trainer()


def is_main() -> bool:
    """Return whether this process is the one that writes."""
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def wait() -> None:
    """Wait until all processes have come here."""
    from accelerate import PartialState

    PartialState().wait_for_everyone()


def forget_trainer() -> None:
    """Free what a training has left, so that models are loaded whole and another trainer can be made."""
    import torch
    from accelerate.state import AcceleratorState, GradientState

    release_deepspeed()
    AcceleratorState._reset_state()
    GradientState._reset_state()
    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()
