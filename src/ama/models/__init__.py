"""Local model folders as transformers objects: loading them, and writing them whole or not at all."""

from ama.models.loading import load_model, load_reward_model, load_tokenizer, new_model, new_reward_model
from ama.models.merge_record import Provenance, provenance
from ama.models.saving import check_target, save_model
from ama.models.terminal import quiet

__all__ = [
    "Provenance",
    "check_target",
    "load_model",
    "load_reward_model",
    "load_tokenizer",
    "new_model",
    "new_reward_model",
    "provenance",
    "quiet",
    "save_model",
]
