"""Local model folders as transformers objects: loading them, and writing them whole or not at all."""

from ama.models.loading import (
    load_model,
    load_reward_model,
    load_tokenizer,
    new_model,
    new_reward_model,
    quiet,
)
from ama.models.saving import save_model

__all__ = [
    "load_model",
    "load_reward_model",
    "load_tokenizer",
    "new_model",
    "new_reward_model",
    "quiet",
    "save_model",
]
