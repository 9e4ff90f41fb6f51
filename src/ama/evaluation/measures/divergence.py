"""How far a model's next-token distributions lie from those of a reference, on texts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax
from transformers import PreTrainedModel

from ama.averaging.in_memory import Loaded
from ama.evaluation.items import mean_items
from ama.evaluation.measure import Measure, Number, standard_error
from ama.evaluation.measures.loss import TextMeasure, text_measures
from ama.evaluation.subject import Subject, model_subject
from ama.models import load_model
from ama.settings.evaluation import ScoringSettings
from ama.settings.measures import DivergenceSettings


class DivergenceMeasure(TextMeasure):
    """KL(reference || model) on one text, in nats per token; 0 for the reference itself."""

    how: DivergenceSettings

    metrics = ("kl",)

    def run(self, subject: Subject, opened: Loaded) -> list[Number]:
        """Compare on the blocks."""
        del subject
        model, tokenizer = opened
        reference = _reference(self.how.reference, model.device)
        with torch.inference_mode():
            parts = [
                divergences(reference, model, part)
                for part in torch.split(self.blocks(tokenizer), self.how.batch)
            ]
        values = torch.cat(parts).tolist()
        return [Number("kl", fmean(values), standard_error(values), len(values), mean_items(values))]


def divergence_measures(settings: DivergenceSettings, scoring: ScoringSettings) -> list[Measure]:
    """Return a measure for each text.

    Raises:
        UserError: the reference is no model.
        OSError: a text can't be read.
    """
    reference = model_subject(str(settings.reference)).fingerprint
    return text_measures(DivergenceMeasure, settings, scoring, reference=reference)


# Kept from model to model: a sweep compares all of them with it.
@cache
def _reference(folder: Path, device: torch.device) -> PreTrainedModel:
    model = load_model(folder)
    nn.Module.to(model, device)
    return model


def divergences(reference: PreTrainedModel, model: PreTrainedModel, blocks: Tensor) -> Tensor:
    """Return the mean KL(reference || model) of each block's next-token distributions, in nats per token.

    Args:
        reference: in evaluation mode.
        model: in evaluation mode, on the same device, with the same vocabulary.
        blocks: int64 token ids of shape (rows, length), length 2 or more.

    Returns:
        float64 of shape (rows,), each 0 or more but for rounding.
    """
    ids = blocks.to(model.device)
    wanted, found = (
        log_softmax(one(input_ids=ids, use_cache=False).logits[:, :-1].float(), dim=-1)
        for one in (reference, model)
    )
    return kl_div(found, wanted, reduction="none", log_target=True).sum(-1).cpu().double().mean(dim=1)
