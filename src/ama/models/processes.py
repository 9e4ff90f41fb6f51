"""Join the other processes of a run under DeepSpeed, on CPUs too, where accelerate would not."""

from __future__ import annotations

import os

import torch

from ama.errors import UserError


def join_deepspeed(config: str | None) -> dict[str, bool]:
    """Join the processes of the run before its TrainingArguments are made.

    Args:
        config: the DeepSpeed configuration, None for a run without it: then there is nothing to do.

    Returns:
        `accelerator_config` of the TrainingArguments.

    Raises:
        UserError: no launcher has started this process.
    """
    if not config or torch.accelerator.is_available():
        return {}
    if "LOCAL_RANK" not in os.environ:
        raise UserError(
            f"--deepspeed {config}: start the run with deepspeed, accelerate launch or torchrun, not python"
        )
    from accelerate import PartialState

    # Told of the CPU, accelerate would train under DDP and leave DeepSpeed out without a word; told of
    # nothing, it would find no backend.
    os.environ.pop("ACCELERATE_USE_CPU", None)
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    PartialState(backend="gloo")
    return {"use_configured_state": True}
