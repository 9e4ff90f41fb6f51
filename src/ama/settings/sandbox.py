"""The sandbox: how large its world is and its model, how each training goes, and which is built where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ama.settings.base import Settings, option
from ama.settings.samples import CollectionSettings
from ama.settings.sampling import SeedlessSampling
from ama.settings.training import RaftRecipe, RaftSettings, TrainingSettings

# lm-eval's stock tasks of reading and translation ask for up to 256 new tokens: a context that has no room
# for them loses the prompt. Rotary positions let rows be shorter in training.
CONTEXT = 512


@dataclass(frozen=True)
class WorldSettings:
    """How large the world and its data sets are.

    Attributes:
        animals: there are three facts about each.
        nouns: of the invented language, at most 40.
        lessons: that before learns from.
        pairs: comparisons of two replies for the reward model and DPO.
        held_out_pairs: to measure the reward model on.
        held_out_prompts: set apart to measure rewards on.
        questions: rows of reading and of translation to measure on.
        decisiveness: a pair prefers the reply of the higher gold score with the odds exp(this x difference).
    """

    animals: int = 120
    nouns: int = 40
    lessons: int = 60_000
    pairs: int = 4000
    held_out_pairs: int = 500
    held_out_prompts: int = 512
    questions: int = 256
    decisiveness: float = 3.0


@dataclass(frozen=True)
class SandboxSize:
    """The world, the model's size and the intensity of each training.

    Attributes:
        world: the world and its data sets.
        layers: of the model.
        width: of the model, a multiple of 4; its feed-forward layers are three times as wide.
        row: tokens in a row that before learns from, and of the longest dialogue.
        prompt_share: share of the prompts' tokens that before learns, see `ama.sandbox.rows`.
        before: training of before.
        reward: training of the reward model.
        raft: rejection sampling and fine-tuning.
        dpo: training of the after by DPO.
        beta: of DPO.
    """

    world: WorldSettings
    layers: int
    width: int
    row: int
    prompt_share: float
    before: TrainingSettings
    reward: TrainingSettings
    raft: RaftRecipe
    dpo: TrainingSettings
    beta: float


_RAFT = RaftRecipe(
    raft=RaftSettings(iterations=6, prompts_per_iteration=128, block_size=64),
    sampling=SeedlessSampling(samples=8, max_new_tokens=30, sample_batch=512),
    collection=CollectionSettings(pool=500, collected=500),
    training=TrainingSettings(lr=2e-3, epochs=2, batch=32, micro_batch=32),
)
FULL = SandboxSize(
    world=WorldSettings(),
    layers=6,
    width=64,
    row=64,
    prompt_share=0.05,
    before=TrainingSettings(
        lr=7e-3,
        max_steps=850,
        batch=24,
        micro_batch=None,
        warmup=0.05,
        weight_decay=0.01,
        beta2=0.98,
        save_steps=250,
    ),
    reward=TrainingSettings(lr=5e-4, epochs=1, batch=32, micro_batch=32, save_steps=50),
    raft=_RAFT,
    dpo=TrainingSettings(lr=1.5e-4, epochs=1, batch=32, micro_batch=32, save_steps=50),
    beta=0.1,
)
"""A world whose checkpoints take some minutes on two cores, and show a tax."""

SMALL = replace(
    FULL,
    world=WorldSettings(
        animals=16,
        nouns=6,
        lessons=8000,
        pairs=600,
        held_out_pairs=100,
        held_out_prompts=128,
        questions=64,
    ),
    before=replace(FULL.before, max_steps=300, batch=16),
    raft=replace(
        _RAFT,
        raft=replace(_RAFT.raft, iterations=3, prompts_per_iteration=64),
        sampling=replace(_RAFT.sampling, samples=4),
        collection=CollectionSettings(pool=128, collected=128),
    ),
)
"""Fewer words and shorter trainings, to try the commands on; its tax is less sure."""

SIZES = {"full": FULL, "small": SMALL}


@dataclass(frozen=True, kw_only=True)
class SandboxSettings(Settings):
    """The world."""

    out: Path = option(help="folder of the world", metavar="DIR")
    seed: int = option(0, "of the world, the first weights and the sampling", low=0, high=999_999_999)
    size: Literal["full", "small"] = option(
        "full", "small: fewer words, shorter trainings, a minute; to try the commands on"
    )
    dpo: bool = option(False, "also build after_dpo/ and collected_dpo/")
    prompt_loss: bool = option(
        False, "also build after_prompt_loss/ and collected_prompt_loss/ by RAFT that learns prompts too"
    )
    threads: int = option(1, "of the computation; more gain little", low=1)
