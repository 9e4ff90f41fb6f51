"""What a search of the ratios can measure of an averaged model: its loss on the samples, or its reward."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.data.samples import Sample
from ama.errors import UserError
from ama.models import load_reward_model, load_tokenizer
from ama.ratios.objective import whole_loss
from ama.sampling import SamplingSettings, sample_replies, score_texts

Measure = Callable[[PreTrainedModel], float]


def loss_measure(data: Mapping[str, Tensor], retain_weight: float, rows: int) -> Measure:
    """Return the training objective of a data set without the penalty; see `whole_loss`."""
    return lambda model: whole_loss(model, data, retain_weight, rows)


def reward_measure(
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    sampling: SamplingSettings,
    device: torch.device,
) -> Measure:
    """Return minus the mean reward of sampled replies, which the paper's likelihood stands in for.

    Every model answers the same prompts with the same random numbers, so that the search sees the models
    differ and not the draws.

    Args:
        folder: of the reward model.
        tokenizer: the averaged models'.
        prompts: such as end with `###Assistant:`.
        sampling: how replies are drawn.
        device: where the reward model goes.

    Raises:
        UserError: no reward model there; the measure itself raises one for a prompt too long for a model.
    """
    judge, judge_tokenizer = load_reward_model(folder), load_tokenizer(folder)
    nn.Module.to(judge, device)

    def measure(model: PreTrainedModel) -> float:
        replies = sample_replies(model, tokenizer, prompts, sampling)
        asked = [prompt for prompt in prompts for _ in range(sampling.samples)]
        texts = [prompt + reply for prompt, reply in zip(asked, replies, strict=True)]
        scores = score_texts(judge, judge_tokenizer, texts, sampling.batch)
        return -sum(scores) / len(scores)

    return measure


def draw_prompts(samples: Sequence[Sample], count: int, seed: int) -> list[str]:
    """Draw up to `count` of the samples' prompts, each once, in an order that the seed decides.

    Raises:
        UserError: no sample has a prompt.
    """
    prompts = sorted({sample.prompt for sample in samples if sample.prompt})
    if not prompts:
        raise UserError("the samples have no prompts to reply to: mark replies with '###Assistant:'")
    return random.Random(seed).sample(prompts, min(count, len(prompts)))
