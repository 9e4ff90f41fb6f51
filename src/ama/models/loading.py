"""Load models and tokenizers from local folders, never from a hub, and count tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from ama.checkpoint.folder import read_json
from ama.errors import UserError
from ama.processes import quiet_deepspeed


def quiet() -> None:
    """Turn off transformers' bars over files, and DeepSpeed's remark that there is no accelerator."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    quiet_deepspeed()


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
    return _load(AutoModelForCausalLM, folder, dtype)


def load_reward_model(folder: Path, dtype: str = "auto") -> PreTrainedModel:
    """Load a reward model: a sequence classification model of one output.

    Args:
        folder: a Hugging Face checkpoint.
        dtype: type of the weights in memory, `auto` for the checkpoint's own.

    Returns:
        The model on the CPU, in evaluation mode.

    Raises:
        UserError: as `load_model`, and if it is a language model or has another number of outputs.
    """
    _check_has_no_language_head(folder)
    model = _load(AutoModelForSequenceClassification, folder, dtype)
    if model.config.num_labels != 1:
        raise UserError(
            f"the reward model {folder} has {model.config.num_labels} outputs: "
            "give one that was trained with num_labels 1"
        )
    return model


def _check_has_no_language_head(folder: Path) -> None:
    path = folder / "config.json"
    kinds = read_json(path).get("architectures") if path.is_file() else None
    language = [kind for kind in kinds or [] if str(kind).endswith(("ForCausalLM", "LMHeadModel"))]
    if language:
        raise UserError(
            f"{folder} is a language model ({language[0]}), no reward model: give one with a single output, "
            "such as python -m ama.train_reward makes"
        )


def new_reward_model(folder: Path) -> PreTrainedModel:
    """Load a causal language model's weights in float32 with a fresh head of one output in place of its own.

    The head is drawn by torch's global generator: seed it first. A reward model keeps the head it has.

    Raises:
        UserError: as `load_model`.
    """
    level = logging.get_verbosity()
    # transformers reports the head that is missing, which is what is wanted.
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        factory: Any = AutoModelForSequenceClassification
        return _load(factory, folder, "float32", fresh=("score.weight",), num_labels=1)
    finally:
        logging.set_verbosity(level)


def _load(
    factory: Any, folder: Path, dtype: str, fresh: tuple[str, ...] = (), **options: Any
) -> PreTrainedModel:
    """Load weights with a class of transformers; `fresh` names those that may be missing."""
    with _user_errors(folder, "model"):
        model, info = factory.from_pretrained(
            folder, dtype=dtype, local_files_only=True, output_loading_info=True, **options
        )
    _check_whole(set(info["missing_keys"]) - set(fresh), str(folder))
    return model  # type: ignore[no-any-return]


def _check_whole(missing: set[str], label: str) -> None:
    if missing:
        raise UserError(f"{label}: the weights lack {min(missing)}")


def model_of(folder: Path, tensors: Mapping[str, Tensor], label: str, dtype: str = "auto") -> PreTrainedModel:
    """Make a causal language model of weights that are in memory, as `load_model` would of their files.

    Args:
        folder: holds config.json and, if the model has one, generation_config.json.
        tensors: the weights by their names in a checkpoint.
        label: names the model in errors.
        dtype: type of the weights in the model, `auto` for that of config.json.

    Returns:
        The model on the CPU, in evaluation mode.

    Raises:
        UserError: transformers knows no such model, or some of its weights are missing.
    """
    with _user_errors(folder, "model", label):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        # The class is asked of an empty model: the Auto class does not load without files.
        factory: Any = AutoModelForCausalLM
        with torch.device("meta"):
            kind = type(factory.from_config(config))
        settings = (folder / "generation_config.json").is_file()
        generation = GenerationConfig.from_pretrained(folder, local_files_only=True) if settings else None
        model, info = kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(tensors),
            dtype=dtype,
            generation_config=generation,
            output_loading_info=True,
        )
    _check_whole(info["missing_keys"], label)
    return model  # type: ignore[no-any-return]


def new_model(folder: Path) -> PreTrainedModel:
    """Build a causal language model with random float32 weights from the folder's config.json.

    Raises:
        UserError: if the folder holds no configuration of a causal language model.
    """
    with _user_errors(folder, "model configuration"):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        factory: Any = AutoModelForCausalLM
        return factory.from_config(config, dtype="float32")  # type: ignore[no-any-return]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a checkpoint folder.

    Raises:
        UserError: if the folder holds no tokenizer that transformers can load.
    """
    with _user_errors(folder, "tokenizer"):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def token_counter(folder: Path) -> tuple[str, Callable[[list[str]], list[int]]]:
    """Return a name that changes when the tokenizer does, and a function that counts tokens, no special ones.

    Raises:
        UserError: the folder holds no tokenizer, or a slow one.
    """
    tokenizer = load_tokenizer(folder)
    if not tokenizer.is_fast:
        raise UserError(f"the tokenizer of {folder} is slow: give a model with a fast one")
    backend: Any = getattr(tokenizer, "backend_tokenizer")  # noqa: B009 - not in the base class's type

    def count(texts: list[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]

    return f"tokenizer {sha256(backend.to_str().encode()).hexdigest()[:16]}", count


@contextmanager
def _user_errors(folder: Path, what: str, label: str | None = None) -> Iterator[None]:
    # Checked first, since transformers takes a path that does not exist for a hub id.
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: not a model folder (no config.json)")
    quiet()
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{label or folder}: no {what} that transformers can load: {error}") from error
