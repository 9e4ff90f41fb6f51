"""What trainings need: the models that they train, read and sample from, and their checkpoints."""

from __future__ import annotations

from ama.errors import UserError
from ama.planning import needs
from ama.planning.launched import Run, zero_stage
from ama.planning.needs import Estimate, Training
from ama.settings.ratios import ObjectiveSettings, RatioTrainingSettings
from ama.settings.sampling import PromptSettings, SeedlessSampling
from ama.settings.training import (
    DpoSettings,
    LoraSettings,
    PpoSettings,
    RaftSettings,
    RewardModelSettings,
    SftSettings,
    TrainingSettings,
)


def train_sft(run: Run) -> Estimate:
    """Fine-tune on rows of text."""
    return _language_model(run, run.chosen[SftSettings].block_size)


def train_reward(run: Run) -> Estimate:
    """Train on pairs, by one number of each text."""
    how = _training(run, run.chosen[RewardModelSettings].max_length, texts=2)
    return _trained(run, how, needs.activations(run.model, how, language=False))


def train_dpo(run: Run) -> Estimate:
    """Train on pairs, beside the reference that they are compared by; adapters are their own reference."""
    how = _training(run, run.chosen[DpoSettings].max_length, texts=2)
    reference = 0.0 if how.lora_rank is not None else needs.frozen_model(run.model, how)
    return _trained(run, how, reference + needs.activations(run.model, how))


def train_ppo(run: Run) -> Estimate:
    """Train policy and value, and read reference and reward model."""
    limit = run.chosen[PromptSettings].max_prompt_tokens
    how = _training(run, needs.prompt_tokens(limit) + run.chosen[PpoSettings].max_new_tokens)
    states = 2 * needs.trained_model(run.model, how) + 2 * needs.frozen_model(run.model, how)
    memory = states + 2 * needs.activations(run.model, how)
    return Estimate(memory, 4 * needs.checkpoint(run.model, how), run.model.weights)


def train_raft(run: Run) -> Estimate:
    """Sample, judge, and fine-tune, one after the other; each iteration's model stays."""
    settings = run.chosen[RaftSettings]
    trained = _language_model(run, settings.block_size)
    limit = run.chosen[PromptSettings].max_prompt_tokens
    judged = needs.replies(run.model, run.chosen[SeedlessSampling], limit) + run.model.weights
    kept = trained.kept * settings.iterations
    return Estimate(max(trained.memory, judged), trained.during, kept)


def optimize_masks(run: Run) -> Estimate:
    """Learn ratios: both models are read only."""
    settings = run.chosen[RatioTrainingSettings]
    how = Training(
        processes=run.processes,
        zero_stage=zero_stage(settings.deepspeed),
        half=settings.bf16,
        sequences=settings.micro_batch,
        tokens=run.chosen[ObjectiveSettings].block_size,
        recompute=settings.gradient_checkpointing,
    )
    width = 2 if settings.bf16 else run.model.width
    memory = 2 * needs.frozen_model(run.model, how, width) + needs.activations(run.model, how)
    return Estimate(memory, 0.0, 1e6)


def _training(run: Run, tokens: int, texts: int = 1) -> Training:
    """Return the sizes of a training on examples of so many texts, of so many tokens each.

    Raises:
        UserError: a batch that the processes can't share.
    """
    settings = run.chosen[TrainingSettings]
    if settings.batch % run.processes:
        raise UserError(
            f"--batch {settings.batch} can't be shared by {run.processes} processes: "
            "set num_gpus to a number that divides it"
        )
    share = settings.batch // run.processes
    return Training(
        processes=run.processes,
        zero_stage=zero_stage(settings.deepspeed),
        half=settings.bf16,
        sequences=texts * min(settings.micro_batch or share, share),
        tokens=tokens,
        recompute=settings.gradient_checkpointing,
        lora_rank=run.chosen[LoraSettings].lora_r,
    )


def _language_model(run: Run, tokens: int) -> Estimate:
    how = _training(run, tokens)
    return _trained(run, how, needs.activations(run.model, how))


def _trained(run: Run, how: Training, further: float) -> Estimate:
    """Return the needs of one trained model with what else is in memory; two of its checkpoints are kept."""
    memory = needs.trained_model(run.model, how) + further
    return Estimate(memory, 2 * needs.checkpoint(run.model, how), run.model.weights)
