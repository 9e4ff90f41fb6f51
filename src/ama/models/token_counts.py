"""Lengths of texts in tokens of a model's tokenizer."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from ama.errors import UserError
from ama.models.loading import load_tokenizer


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
