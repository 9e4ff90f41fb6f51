"""How large the sandbox world is, its model, and the intensity of each training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ama.sandbox.world import WorldSettings
from ama.settings.samples import CollectionSettings
from ama.settings.sampling import SeedlessSampling
from ama.settings.training import RaftRecipe, RaftSettings, TrainingSettings

# lm-eval's stock tasks of reading and translation ask for up to 256 new tokens: a context that has no room
# for them loses the prompt. Rotary positions let rows be shorter in training.
CONTEXT = 512


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


def default_settings() -> SandboxSize:
    """Return a world whose checkpoints take some minutes on two cores, and show a tax."""
    raft = RaftRecipe(
        raft=RaftSettings(iterations=6, prompts_per_iteration=128, block_size=64),
        sampling=SeedlessSampling(samples=8, max_new_tokens=30, sample_batch=512),
        collection=CollectionSettings(pool=500, collected=500),
        training=TrainingSettings(lr=2e-3, epochs=2, batch=32, micro_batch=32),
    )
    return SandboxSize(
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
        raft=raft,
        dpo=TrainingSettings(lr=1.5e-4, epochs=1, batch=32, micro_batch=32, save_steps=50),
        beta=0.1,
    )


def small_settings() -> SandboxSize:
    """Return a world of fewer words and a shorter training, to try the commands on; its tax is less sure."""
    full = default_settings()
    world = WorldSettings(
        animals=16,
        nouns=6,
        lessons=8000,
        pairs=600,
        held_out_pairs=100,
        held_out_prompts=128,
        questions=64,
    )
    raft = replace(
        full.raft,
        raft=replace(full.raft.raft, iterations=3, prompts_per_iteration=64),
        sampling=replace(full.raft.sampling, samples=4),
        collection=CollectionSettings(pool=128, collected=128),
    )
    return replace(
        full,
        world=world,
        before=replace(full.before, max_steps=300, batch=16),
        raft=raft,
    )


SIZES: dict[str, Callable[[], SandboxSize]] = {"full": default_settings, "small": small_settings}
