"""Sample replies with one model and score them with another, and keep what is done."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.data.samples import Sample
from ama.models import load_model, load_reward_model, load_tokenizer
from ama.processes import own_device, rank_and_size
from ama.sampling.generation import sample_replies
from ama.sampling.journal import Journal
from ama.sampling.reward import score_texts
from ama.sampling.vllm_engine import sample_with_vllm
from ama.settings.sampling import SamplingSettings

_Item = TypeVar("_Item", str, float)


def rollout(
    model: Path,
    judge: Path,
    prompts: Sequence[str],
    settings: SamplingSettings,
    work: Path,
    dtype: str = "auto",
) -> list[Sample]:
    """Return `settings.samples` replies to each prompt with their rewards, the same on every process.

    Args:
        model: folder of the model that replies.
        judge: folder of the reward model.
        prompts: such as end with `###Assistant:`.
        settings: of the sampling; its batch is used for scoring too.
        work: folder for the batches that are done. Called again with the same arguments, what is there is
            not done again; the caller removes it.
        dtype: of the weights in memory, `auto` for the checkpoints' own.

    Raises:
        UserError: as `sample_replies` and `score_texts`.
    """
    asked = replies_of(model, prompts, settings, work, dtype)
    gc.collect()
    reader, tokenizer = placed(load_reward_model(judge, dtype)), load_tokenizer(judge)
    scores = rewards_of(reader, tokenizer, asked, settings.sample_batch, Journal(work, "scores"))
    return [replace(sample, reward=score) for sample, score in zip(asked, scores, strict=True)]


def replies_of(
    model: Path, prompts: Sequence[str], settings: SamplingSettings, work: Path, dtype: str = "auto"
) -> list[Sample]:
    """Return `settings.samples` replies to each prompt, without rewards; see `rollout`.

    Raises:
        UserError: as `sample_replies`.
    """
    done: Journal[str] = Journal(work, "replies")
    if settings.engine == "vllm":
        replies = sample_with_vllm(model, prompts, settings, dtype, done.writer(), done.read())
    else:
        replies = replies_by(placed(load_model(model, dtype)), load_tokenizer(model), prompts, settings, done)
    asked = [prompt for prompt in prompts for _ in range(settings.samples)]
    return [Sample(prompt, reply) for prompt, reply in zip(asked, replies, strict=True)]


def replies_by(
    speaker: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    settings: SamplingSettings,
    done: Journal[str],
) -> list[str]:
    """Return `sample_replies` of a model in memory; what the journal has is not sampled again.

    Raises:
        UserError: as `sample_replies`.
    """
    batches = -(-len(prompts) * settings.samples // settings.sample_batch)
    note = _progress("sampling", done.writer(), batches)
    return sample_replies(speaker, tokenizer, prompts, settings, note, done.read())


def rewards_of(
    reader: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    samples: Sequence[Sample],
    batch: int,
    done: Journal[float],
) -> list[float]:
    """Return `score_texts` of prompts and replies; what the journal has is not scored again.

    Raises:
        UserError: as `score_texts`.
    """
    note = _progress("scoring", done.writer(), -(-len(samples) // batch))
    texts = [sample.prompt + sample.reply for sample in samples]
    return score_texts(reader, tokenizer, texts, batch, note, done.read())


def placed(model: PreTrainedModel) -> PreTrainedModel:
    """Put a model on this process's device."""
    place: Any = model.to
    place(own_device())
    return model


def _progress(
    what: str, note: Callable[[int, list[_Item]], None], batches: int
) -> Callable[[int, list[_Item]], None]:
    """Wrap a journal's writer so that the first process also says how far it has come, ten times at most."""
    shown = rank_and_size()[0] == 0
    step = max(1, batches // 10)

    def on_done(number: int, items: list[_Item]) -> None:
        note(number, items)
        if shown and (number + 1) % step == 0:
            sys.stderr.write(f"{what}: batch {number + 1}/{batches}\n")

    return on_done
