"""Load models and tokenizers from local folders, never from a hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.core.errors import UserError
from ama.models.terminal import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_model(folder: Path, dtype: str = "auto") -> PreTrainedModel:
    """Load a causal language model.

    Args:
        folder: a Hugging Face checkpoint.
        dtype: type of the weights in memory, `auto` for the checkpoint's own.

    Returns:
        The model on the CPU, in evaluation mode.

    Raises:
        UserError: if the folder holds no model that transformers can load, or lacks some of its weights.
    """
    from transformers import AutoModelForCausalLM

    with _user_errors(folder, "model"):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, output_loading_info=True
        )
    model, info = loaded
    if info["missing_keys"]:
        raise UserError(f"{folder}: the weights lack {min(info['missing_keys'])}")
    return model  # type: ignore[no-any-return]


def new_model(folder: Path) -> PreTrainedModel:
    """Build a causal language model with random float32 weights from the folder's config.json.

    Raises:
        UserError: if the folder holds no configuration of a causal language model.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    with _user_errors(folder, "model configuration"):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        factory: Any = AutoModelForCausalLM
        return factory.from_config(config, dtype="float32")  # type: ignore[no-any-return]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a checkpoint folder.

    Raises:
        UserError: if the folder holds no tokenizer that transformers can load.
    """
    from transformers import AutoTokenizer

    with _user_errors(folder, "tokenizer"):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


@contextmanager
def _user_errors(folder: Path, what: str) -> Iterator[None]:
    # Checked first, since transformers takes a path that does not exist for a hub id.
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: not a model folder (no config.json)")
    quiet()
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{folder}: no {what} that transformers can load: {error}") from error
