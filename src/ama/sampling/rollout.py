"""Sample replies with one model and score them with another, both from folders, and keep what is done."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.data.samples import Sample
from ama.models import load_model, load_reward_model, load_tokenizer
from ama.sampling.batches import rank_and_size
from ama.sampling.generation import SamplingSettings, sample_replies
from ama.sampling.journal import Journal
from ama.sampling.reward import score_texts
from ama.sampling.vllm_engine import sample_with_vllm

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
    texts = [sample.prompt + sample.reply for sample in asked]
    reader = _placed(load_reward_model(judge, dtype))
    scores_done: Journal[float] = Journal(work, "scores")
    scores = score_texts(
        reader, load_tokenizer(judge), texts, settings.batch, scores_done.writer(), scores_done.read()
    )
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
        replies = _sample(model, prompts, settings, dtype, done)
    asked = [prompt for prompt in prompts for _ in range(settings.samples)]
    return [Sample(prompt, reply) for prompt, reply in zip(asked, replies, strict=True)]


def _sample(
    model: Path, prompts: Sequence[str], settings: SamplingSettings, dtype: str, journal: Journal[str]
) -> list[str]:
    speaker, tokenizer = _placed(load_model(model, dtype)), load_tokenizer(model)
    batches = -(-len(prompts) * settings.samples // settings.batch)
    note = _progress("sampling", journal.writer(), batches)
    return sample_replies(speaker, tokenizer, prompts, settings, note, journal.read())


def _placed(model: PreTrainedModel) -> PreTrainedModel:
    from accelerate import PartialState

    place: Any = model.to
    place(PartialState().device)
    return model


def _progress(
    what: str, note: Callable[[int, list[str]], None], batches: int
) -> Callable[[int, list[str]], None]:
    """Wrap a journal's writer so that the first process also says how far it has come, ten times at most."""
    shown = rank_and_size()[0] == 0
    step = max(1, batches // 10)

    def on_done(number: int, items: list[str]) -> None:
        note(number, items)
        if shown and (number + 1) % step == 0:
            sys.stderr.write(f"{what}: batch {number + 1}/{batches}\n")

    return on_done
