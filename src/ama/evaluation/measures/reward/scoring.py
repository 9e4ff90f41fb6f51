"""Rewards of drawn replies by a reward model, and what is said of the replies in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.data.samples import Sample, read_samples, write_samples
from ama.errors import UserError
from ama.evaluation.items import mean_items
from ama.evaluation.measure import Number
from ama.evaluation.measures.batch_size import with_batch_size
from ama.evaluation.measures.files import close_journals, open_journal
from ama.processes import broadcast, is_first
from ama.sampling.measures import Mean, distinct, diversity, mean_over_prompts, means_of_prompts
from ama.sampling.rollout import rewards_of
from ama.settings.measures import BatchSize

METRICS = ("reward", "length", "distinct_1", "distinct_2", "diversity")
LARGEST_BATCH = 256


def score_replies(
    reader: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    samples: Sequence[Sample],
    size: BatchSize,
    path: Path,
    *,
    rerun: bool = False,
) -> list[Sample]:
    """Return the samples with their rewards, which are written to `path` too; what is there stays.

    Args:
        reader: the reward model, on this process's device.
        tokenizer: the reward model's.
        samples: prompts and replies.
        size: replies at a time on each process; does not change the rewards but for rounding.
        path: a .json file whose name changes with reward model and replies.
        rerun: score anew where all rewards are there.

    Raises:
        UserError: as `ama.sampling.score_texts`, and for a reward that is not finite.
    """

    def score(batch: int) -> list[float]:
        return rewards_of(reader, tokenizer, samples, batch, open_journal(path, batch))

    if not broadcast(path.is_file() and not rerun):
        rewards = with_batch_size(size, LARGEST_BATCH, score)
        if not all(map(math.isfinite, rewards)):
            raise UserError(f"the reward model {reader.name_or_path} gives a reward that is not finite")
        if is_first():
            scored = [replace(sample, reward=reward) for sample, reward in zip(samples, rewards, strict=True)]
            write_samples(path, scored, joined=False)
            close_journals(path)
    broadcast(None)
    return read_samples(path)


def numbers_of(samples: Sequence[Sample]) -> list[Number]:
    """Return the numbers of METRICS for replies with rewards and lengths.

    `reward` and `length` (tokens of the model's tokenizer) are means over the replies to a prompt and then
    over prompts, with standard errors over prompts. `distinct_1` and `distinct_2` are taken over all replies
    together, `diversity` as a mean of each reply's own over those of four words or more; see
    `ama.sampling.measures`. One that no reply is long enough for is left out.
    """
    prompts = [sample.prompt for sample in samples]
    texts = [sample.reply for sample in samples]
    rewards = [_known(sample.reward) for sample in samples]
    found = {
        "reward": mean_over_prompts(prompts, rewards),
        "length": mean_over_prompts(prompts, [_known(sample.tokens) for sample in samples]),
    }
    for window in (1, 2):
        share = distinct(texts, window)
        if share is not None:
            found[f"distinct_{window}"] = Mean(share, None, found["reward"].n)
    own = [(prompt, diversity(text)) for prompt, text in zip(prompts, texts, strict=True)]
    known = [(prompt, share) for prompt, share in own if share is not None]
    if known:
        found["diversity"] = mean_over_prompts([prompt for prompt, _ in known], [share for _, share in known])
    items = {"reward": mean_items(means_of_prompts(prompts, rewards))}
    return [Number(metric, *mean, items.get(metric)) for metric, mean in found.items()]


def _known(number: float | None) -> float:
    if number is None:
        raise ValueError("a reply without its reward or length can't be measured")
    return float(number)
