"""The model that a merge would write, loaded without writing it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ama.averaging.companions import copy_companions
from ama.averaging.in_memory import merged_tensors
from ama.averaging.plan import MergePlan
from ama.models.loading import load_tokenizer, model_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_merged(plan: MergePlan, dtype: str = "auto") -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load what `ama.interpolate` would write by this plan: the same weights, settings and tokenizer.

    Args:
        plan: the merge; of an adapter alone, one with ratio 0.
        dtype: type of the weights in memory, `auto` for that of the checkpoint that would be written.

    Returns:
        The model on the CPU, in evaluation mode, and its tokenizer.

    Raises:
        UserError: a result that is not finite, inputs that can't be read, or no model for transformers.
    """
    tensors = merged_tensors(plan)
    with TemporaryDirectory() as name:
        folder = Path(name)
        copy_companions(plan, folder, trust_remote_code=False)
        label = f"{plan.before.label} + {plan.after.label}"
        return model_of(folder, tensors, label, dtype), load_tokenizer(folder)
