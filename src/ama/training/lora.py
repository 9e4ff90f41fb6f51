"""Low-rank adapters with PEFT: which linear maps get one, and how they become part of the weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from torch.nn import Linear
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ama.errors import UserError
from ama.settings.training import LoraSettings

_PATTERNS = {"mlp": r"\b(mlp|fc1|fc2|feed_forward)\b", "attention": r"attn|attention", "all": ""}


def lora_config(settings: LoraSettings, model: PreTrainedModel, head: str | None) -> LoraConfig | None:
    """Return PEFT's configuration, None where no adapters are trained.

    Args:
        settings: rank and the like.
        model: to be adapted.
        head: a fresh part that is trained whole, such as a reward model's `score`.

    Raises:
        UserError: no linear map of the model has such a name.
    """
    if settings.lora_r is None:
        return None
    return LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,  # type: ignore[arg-type]
        lora_dropout=settings.lora_dropout,
        target_modules=_targets(settings.lora_modules, model),
        modules_to_save=[head] if head else None,
        task_type="SEQ_CLS" if head else "CAUSAL_LM",
    )


def _targets(wanted: str, model: PreTrainedModel) -> list[str]:
    heads = ("lm_head", "score", "embed_out")
    linears = [
        name
        for name, module in model.named_modules()
        if isinstance(module, Linear | Conv1D) and not name.endswith(heads)
    ]
    if wanted in _PATTERNS:
        found = [name for name in linears if re.search(_PATTERNS[wanted], name)]
    else:
        names = tuple(f".{part.strip()}" for part in wanted.split(","))
        found = [name for name in linears if f".{name}".endswith(names)]
    if not found:
        last = sorted({name.rpartition(".")[2] for name in linears})
        raise UserError(f"lora_modules '{wanted}' is in no linear map of the model: it has {', '.join(last)}")
    return found


def merged(model: PeftModel, base: PreTrainedModel, state: Mapping[str, Tensor]) -> PreTrainedModel:
    """Return the base with the trained adapters added to its weights.

    Args:
        model: what was trained; gives the configuration.
        base: its base model, loaded anew.
        state: all of the trained model's parameters, whole.
    """
    adapters: Any = get_peft_model_state_dict(model, state_dict=dict(state))
    whole: Any = get_peft_model(base, model.peft_config["default"])
    set_peft_model_state_dict(whole, adapters)
    return whole.merge_and_unload()  # type: ignore[no-any-return]
