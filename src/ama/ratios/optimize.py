"""From two models and samples to learned ratios: build the masked model, train its scalars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)

from ama.averaging.live import check_pair, live_sites
from ama.averaging.schedules.learned import LearnedMask
from ama.models.sharded import gathered
from ama.ratios.blocks import MaskBlocks, mask_blocks
from ama.ratios.model import mask_model
from ama.ratios.module import LearnedRatios
from ama.ratios.penalty import penalty_weights
from ama.ratios.settings import MaskSettings
from ama.ratios.settled import describe_path, ratio_path
from ama.ratios.trainer import MaskTrainer


@dataclass(frozen=True)
class Outcome:
    """What a mask optimisation gives.

    Attributes:
        mask: the learned ratios.
        path: the ratios before the first step and after each.
        verdict: lines that say whether the ratios have settled.
        metrics: numbers of the run: runtime, mean loss.
        is_main: whether this process is the one that writes.
    """

    mask: LearnedMask
    path: list[list[float]]
    verdict: list[str]
    metrics: Mapping[str, float]
    is_main: bool


def optimize(
    before: PreTrainedModel,
    after: PreTrainedModel,
    data: Mapping[str, Tensor],
    settings: MaskSettings,
    arguments: TrainingArguments,
    callbacks: Sequence[TrainerCallback] = (),
    checkpoint: str | None = None,
) -> Outcome:
    """Learn the ratios (paper, section 5).

    Args:
        before: the model before RLHF; used up.
        after: the model after RLHF; becomes the masked model.
        data: `input_ids` and `labels`, and `retain_ids` for the retain term, each of shape (blocks,
            block_size).
        settings: what decides the ratios.
        arguments: of the Hugging Face Trainer.
        callbacks: of the Trainer, beside its own.
        checkpoint: folder of a checkpoint to go on from.

    Raises:
        UserError: the models differ in architecture, unknown mask level, or blocks that do not fit the model.
    """
    check_pair(before, after)
    layers = after.config.num_hidden_layers
    blocks, ratios = start_ratios(after, settings)
    start = ratios().tolist()
    trainer = MaskTrainer(
        model=mask_model(before, after, ratios, blocks),
        args=arguments,
        train_dataset=[dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)],
        data_collator=default_data_collator,
        callbacks=list(callbacks),
        reg_alpha=settings.reg_alpha,
        kind=settings.sum_reg_type,
        weights=penalty_weights(settings.sum_reg_type, blocks.linears, layers),
        retain_weight=settings.retain_weight,
    )
    trainer.remove_callback(PrinterCallback)
    done = trainer.train(resume_from_checkpoint=checkpoint)
    with gathered([trainer.ratios.scaled_raw]):
        mask = learned_mask(trainer.ratios, blocks)
    history = trainer.state.log_history
    verdict = describe_path(start, history, arguments.learning_rate)
    path = [start, *ratio_path(history)]
    return Outcome(mask, path, verdict, done.metrics, trainer.is_world_process_zero())


def start_ratios(model: PreTrainedModel, settings: MaskSettings) -> tuple[MaskBlocks, LearnedRatios]:
    """Return the blocks of a model, and their ratios before any training: all at the mean.

    Raises:
        UserError: unknown mask level, or blocks that do not fit the model.
    """
    layers = model.config.num_hidden_layers
    blocks = mask_blocks(settings.mask_level, live_sites(model), layers, settings.scope, settings.pivots)
    paces = _paces(blocks, settings)
    ratios = LearnedRatios(len(blocks.labels), settings.init_val, settings.epsilon, settings.approach, paces)
    return blocks, ratios


def learned_mask(ratios: LearnedRatios, blocks: MaskBlocks) -> LearnedMask:
    """Return the ratios of a trained module with the modules that they belong to."""
    modules = {
        name.removesuffix(".weight").removesuffix(".bias"): block for name, block in blocks.index.items()
    }
    raw = ratios.raw.detach().float().cpu()
    return LearnedMask(
        raw, blocks.labels, modules, ratios.mean, ratios.epsilon, ratios.approach, blocks.scope
    )


def _paces(blocks: MaskBlocks, settings: MaskSettings) -> list[float] | None:
    if not settings.scale_lr_by_sharing:
        return None
    return [float(max(1, len(layers))) for layers in blocks.linears]
