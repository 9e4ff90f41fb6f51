"""How far a model's next-token distributions lie from those of a reference, on texts."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax
from transformers import PreTrainedModel

from ama.averaging.in_memory import Loaded
from ama.data import pack, read_texts
from ama.evaluation.items import mean_items
from ama.evaluation.measure import Measure, Measurement, Number, standard_error
from ama.evaluation.subject import Subject, model_subject
from ama.models import load_model
from ama.settings.evaluation import Dtype, ScoringSettings
from ama.settings.measures import DivergenceSettings


@dataclass(frozen=True)
class DivergenceMeasure(Measure):
    """KL(reference || model) on one text, in nats per token; 0 for the reference itself.

    Attributes:
        what: what goes into the rows.
        path: of the text.
        how: the reference, and size and number of blocks.
        dtype: of the model's weights.
    """

    what: Measurement
    path: Path
    how: DivergenceSettings
    dtype: Dtype

    metrics = ("kl",)

    @property
    def opening(self) -> Hashable:
        """All texts are measured with one load of the model."""
        return DivergenceMeasure, self.dtype

    def open(self, subject: Subject) -> Loaded:
        """Load the model."""
        return subject.load(self.dtype)

    def run(self, subject: Subject, opened: Loaded) -> list[Number]:
        """Cut the text into blocks by the model's own tokenizer, and compare."""
        del subject
        model, tokenizer = opened
        blocks = pack(read_texts([self.path]), tokenizer, self.how.block_size)[: self.how.max_blocks]
        reference = _reference(self.how.reference, model.device)
        with torch.inference_mode():
            parts = [divergences(reference, model, part) for part in torch.split(blocks, self.how.batch)]
        values = torch.cat(parts).tolist()
        return [Number("kl", fmean(values), standard_error(values), len(values), mean_items(values))]


def divergence_measures(settings: DivergenceSettings, scoring: ScoringSettings) -> list[Measure]:
    """Return a measure for each text.

    Raises:
        UserError: the reference is no model.
        OSError: a text can't be read.
    """
    reference = model_subject(str(settings.reference)).fingerprint
    return [
        DivergenceMeasure(
            Measurement("loss", name, "transformers", _of_rows(path, settings, reference, scoring.dtype)),
            path,
            settings,
            scoring.dtype,
        )
        for name, path in settings.texts.items()
    ]


def _of_rows(path: Path, settings: DivergenceSettings, reference: str, dtype: Dtype) -> dict[str, object]:
    return {
        "data": sha256(path.read_bytes()).hexdigest()[:16],
        "reference": reference,
        "block_size": settings.block_size,
        "max_blocks": settings.max_blocks,
        "dtype": dtype,
    }


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
