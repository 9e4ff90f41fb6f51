"""The term that only a search can use: the reward of an averaged model's sampled replies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.data.samples import Sample
from ama.errors import UserError
from ama.models import load_reward_model, load_tokenizer
from ama.ratios.objective import Term
from ama.sampling.generation import sample_replies
from ama.sampling.reward import score_texts
from ama.settings.sampling import SamplingSettings


class Reward(Term):
    """Minus the mean reward of sampled replies, which the likelihood stands in for; it has no gradient.

    Every model answers the same prompts with the same random numbers, so that a search sees the models differ
    and not the draws.
    """

    def __init__(
        self,
        judge: Path,
        tokenizer: PreTrainedTokenizerBase,
        prompts: Sequence[str],
        sampling: SamplingSettings,
        device: torch.device,
    ) -> None:
        """Load the reward model.

        Args:
            judge: folder of the reward model.
            tokenizer: the averaged models'.
            prompts: such as end with `###Assistant:`.
            sampling: how replies are drawn.
            device: where the reward model goes.

        Raises:
            UserError: no reward model there; `of_model` raises one for a prompt too long for a model.
        """
        super().__init__()
        self._judge, self._judge_tokenizer = load_reward_model(judge), load_tokenizer(judge)
        nn.Module.to(self._judge, device)
        self._tokenizer, self._prompts, self._sampling = tokenizer, prompts, sampling

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        """Return minus the mean reward of the model's replies."""
        del ratios
        replies = sample_replies(model, self._tokenizer, self._prompts, self._sampling)
        asked = [prompt for prompt in self._prompts for _ in range(self._sampling.samples)]
        texts = [prompt + reply for prompt, reply in zip(asked, replies, strict=True)]
        scores = score_texts(self._judge, self._judge_tokenizer, texts, self._sampling.sample_batch)
        return -sum(scores) / len(scores)


def draw_prompts(samples: Sequence[Sample], count: int, seed: int) -> list[str]:
    """Draw up to `count` of the samples' prompts, each once, in an order that the seed decides.

    Raises:
        UserError: no sample has a prompt.
    """
    prompts = sorted({sample.prompt for sample in samples if sample.prompt})
    if not prompts:
        raise UserError("the samples have no prompts to reply to: mark replies with '###Assistant:'")
    return random.Random(seed).sample(prompts, min(count, len(prompts)))
