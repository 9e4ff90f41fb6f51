"""Save a model and its tokenizer whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ama.checkpoint.staging import staged_folder, staging_of
from ama.models.loading import quiet


def save_model(
    model: PreTrainedModel | PreTrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    target: Path,
    check: Callable[[Path], None] = lambda _: None,
    state_dict: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a folder with a model, or only its configuration, and a tokenizer; it appears when it is whole.

    Args:
        model: what to save.
        tokenizer: is saved with it.
        target: replaced if it exists.
        check: called with the staging folder; if it raises, `target` stays as it was.
        state_dict: the weights, where the model does not hold them whole itself.
    """
    quiet()
    with staged_folder(target):
        staging = staging_of(target)
        given = {} if state_dict is None else {"state_dict": state_dict}
        model.save_pretrained(staging, **given)  # type: ignore[arg-type]
        tokenizer.save_pretrained(staging)
        check(staging)
        for path in staging.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
