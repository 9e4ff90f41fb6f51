"""Sample the data set of learned ratios from a checkpoint that is there."""

from __future__ import annotations

import random
import shutil
import sys

from ama.data.samples import Sample, write_samples
from ama.errors import UserError
from ama.models import quiet
from ama.sampling.prompts import read_prompts
from ama.sampling.rollout import replies_of, rollout
from ama.settings.base import record_of
from ama.settings.samples import CollectionSettings
from ama.settings.sampling import CollectSettings, PromptSettings, SamplingSettings
from ama.training.resume import open_work
from ama.training.selection import collect


def collect_samples(
    files: CollectSettings,
    prompting: PromptSettings,
    sampling: SamplingSettings,
    collection: CollectionSettings,
) -> list[Sample]:
    """Sample replies to prompts; with a reward model, draw from those with the highest rewards.

    Called again after a kill with the same settings, it goes on where it stopped.

    Args:
        files: model, reward model, the file to write, and how many of the prompts to take.
        prompting: the prompts, and how long they may be.
        sampling: how replies are drawn; its seed also decides which prompts and samples are.
        collection: how many samples to draw, and from how many; not used without a reward model.

    Returns:
        What was written, as LMFlow JSON of type text2text.

    Raises:
        UserError: a file that is there already, prompts or models that are not, or as `rollout`.
    """
    out = files.out
    if out.exists() and not files.overwrite:
        raise UserError(f"output {out} exists already: choose another, or replace it with --overwrite")
    quiet()
    prompts = read_prompts(prompting.prompts, files.model, prompting.max_prompt_tokens)
    if files.limit and files.limit < len(prompts):
        prompts = random.Random(sampling.seed).sample(prompts, files.limit)
    work = out.with_name(f".{out.name}.work")
    open_work(work, record_of([files, prompting, sampling, collection]))
    if files.reward_model:
        samples = rollout(files.model, files.reward_model, prompts, sampling, work)
        samples = collect(samples, collection.pool, collection.collected, sampling.seed)
    else:
        samples = replies_of(files.model, prompts, sampling, work)
    write_samples(out, samples, joined=False)
    shutil.rmtree(work)
    sys.stderr.write(f"{out}: {len(samples)} samples\n")
    return samples
