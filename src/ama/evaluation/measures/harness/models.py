"""What lm-eval takes for a model: a loaded one, or vLLM's."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from ama.errors import UserError
from ama.processes import is_alone
from ama.settings.measures import BatchSize


def wrap(model: Any, tokenizer: Any, batch_size: BatchSize) -> Any:
    """Return lm-eval's view of a loaded model, sharing the items with the other processes of the run."""
    from lm_eval.models.huggingface import HFLM

    language_model = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
    if not is_alone():
        # lm-eval divides the work itself where it loads the model; given one, it leaves that to its caller.
        accelerator = Accelerator(cpu=not torch.accelerator.is_available())
        language_model.accelerator = accelerator
        language_model._rank, language_model._world_size = (
            accelerator.process_index,
            accelerator.num_processes,
        )
    return language_model


def open_vllm(folder: Path, dtype: str, batch_size: BatchSize, seed: int | None) -> Any:
    """Return lm-eval's own vLLM model of a checkpoint folder.

    Raises:
        UserError: vLLM is not installed, or the run has several processes.
    """
    if not is_alone():
        raise UserError("--engine vllm runs in one process: start it without torchrun")
    try:
        import_module("vllm")
    except ImportError as error:
        raise UserError(f"--engine vllm needs vLLM ({error}): install it, or use transformers") from error
    from lm_eval.api.registry import get_model

    options = {"pretrained": str(folder.resolve()), "dtype": dtype, "batch_size": batch_size}
    return get_model("vllm")(**options, **({} if seed is None else {"seed": seed}))
