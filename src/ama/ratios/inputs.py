"""What ratios are learned from: two models, samples of the second, and what the run is known by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

from ama.averaging.live import check_pair
from ama.averaging.record import commit
from ama.data.labelled_blocks import label_blocks
from ama.data.samples import Sample, read_samples
from ama.errors import UserError
from ama.models import load_model, load_tokenizer
from ama.ratios.parameter_blocks import ParameterBlocks
from ama.ratios.terms import Sources
from ama.settings.ratios import ObjectiveSettings, RatioTrainingSettings


@dataclass(frozen=True)
class Inputs:
    """The models and data of a run.

    Attributes:
        models: before and after.
        tokenizer: of both.
        samples: of after.
        data: the samples as labelled blocks.
    """

    models: tuple[PreTrainedModel, PreTrainedModel]
    tokenizer: PreTrainedTokenizerBase
    samples: Sequence[Sample]
    data: Mapping[str, Tensor]

    @classmethod
    def read(
        cls,
        before: Path,
        after: Path,
        data: Path,
        objective: ObjectiveSettings,
        training: RatioTrainingSettings,
    ) -> Inputs:
        """Load and check them.

        Raises:
            UserError: missing or broken files, models that differ, or blocks longer than their context.
        """
        tokenizer = load_tokenizer(after)
        samples = read_samples(data)
        blocks = label_blocks(samples, tokenizer, objective.block_size, objective.loss_on)
        dtype = "bfloat16" if training.bf16 else "float32"
        models = load_model(before, dtype), load_model(after, dtype)
        _check_context(objective.block_size, models[1])
        check_pair(*models)
        return cls(models, tokenizer, samples, blocks)

    def sources(
        self,
        blocks: ParameterBlocks | None,
        mean: float,
        training: RatioTrainingSettings,
        device: torch.device,
    ) -> Sources:
        """Return what the objective's terms are made of."""
        return Sources(
            samples=self.samples,
            data=self.data,
            before=self.models[0],
            after=self.models[1],
            tokenizer=self.tokenizer,
            blocks=blocks,
            num_layers=self.models[1].config.num_hidden_layers,
            mean_ratio=mean,
            rows=training.micro_batch,
            seed=training.seed,
            device=device,
        )


def _check_context(block_size: int, model: PreTrainedModel) -> None:
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and block_size > limit:
        raise UserError(f"--block_size {block_size} is longer than the model's context of {limit} tokens")


def run_facts(arguments: TrainingArguments, data: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what else a result's readable form says of the run."""
    state = arguments.distributed_state
    return {
        "blocks_of_data": list(data["input_ids"].shape),
        "processes": arguments.world_size,
        "parallel": state.distributed_type.value if state else "NO",
        "commit": commit(),
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
