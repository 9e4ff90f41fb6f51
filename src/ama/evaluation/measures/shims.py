"""What transformers 5 dropped and the harnesses still use, put back for a run that needs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from huggingface_hub import constants
from transformers import PreTrainedTokenizerBase
from transformers.utils import hub


@dataclass(frozen=True)
class Shim:
    """One attribute that is put back.

    Attributes:
        name: of the attribute.
        holder: the module or class that had it.
        value: what it is set to.
        needed_by: the distributions that use it, with the version that was looked at.
        reason: since when it is gone, and what replaced it.
    """

    name: str
    holder: Any
    value: Any
    needed_by: tuple[str, ...]
    reason: str

    def is_missing(self) -> bool:
        """Tell whether the installed transformers lacks the attribute."""
        return not hasattr(self.holder, self.name)


def _batch_encode_plus(self: Any, batch_text_or_text_pairs: Any, **options: Any) -> Any:
    return self(batch_text_or_text_pairs, **options)


SHIMS = (
    Shim(
        "TRANSFORMERS_CACHE",
        hub,
        constants.HF_HUB_CACHE,
        ("llm-blender==0.0.2",),
        "transformers 5 leaves the place of its cache to huggingface_hub",
    ),
    Shim(
        "batch_encode_plus",
        PreTrainedTokenizerBase,
        _batch_encode_plus,
        ("llm-blender==0.0.2", "opencompass==0.5.4"),
        "transformers 5 encodes a batch by calling the tokenizer",
    ),
)


def apply_shims(distribution: str) -> None:
    """Put back what a distribution needs and the installed transformers lacks, for the rest of the process.

    Args:
        distribution: its name, such as opencompass.
    """
    for shim in SHIMS:
        users = {user.partition("==")[0] for user in shim.needed_by}
        if distribution in users and shim.is_missing():
            setattr(shim.holder, shim.name, shim.value)


def load_base_in_float32() -> None:
    """Let llm-blender 0.0.2 load PairRM's base model in float32, for the rest of the process.

    Transformers 5 loads a model in the type of its checkpoint, before it was float32. DeBERTa-v3's is
    float16, to which llm-blender would then round PairRM's own float32 weights.
    """
    from llm_blender.pair_ranker import model_util

    if not isinstance(model_util.build_pretrained_model, partial):
        model_util.build_pretrained_model = partial(model_util.build_pretrained_model, dtype="float32")
