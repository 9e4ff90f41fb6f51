"""Build the sandbox world's checkpoints by the project's own stages: before, reward model, both afters."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from ama.checkpoint.staging import staged_folder, staging_of
from ama.core.errors import UserError
from ama.data import pack, read_texts
from ama.data.eval_folder import write_eval_folder
from ama.data.eval_sets import EVAL_SETS
from ama.data.eval_source import find_local
from ama.data.lmflow import lmflow_text
from ama.data.pairs import KIND as PAIRS
from ama.data.whole_file import write_whole
from ama.models import load_tokenizer, new_model, save_model
from ama.rlhf.dpo import train_dpo
from ama.rlhf.processes import forget_trainer
from ama.rlhf.raft import Places, RaftSettings, run_raft
from ama.rlhf.reward_model import train_reward_model
from ama.rlhf.settings import StageSettings
from ama.sampling.generation import SamplingSettings
from ama.sandbox.words import word_tokenizer
from ama.sandbox.world import World, WorldSettings
from ama.training import TrainingSettings, train

if TYPE_CHECKING:
    from transformers import LlamaConfig

# Where a local source of evaluation sets has each of the world's tasks.
_FILES = {
    "facts": "ai2_arc/ARC-Easy/test.jsonl",
    "reading": "squad_v2/validation.jsonl",
    "translation": "wmt14/fr-en/newstest2014.jsonl",
}


@dataclass(frozen=True)
class SandboxSettings:
    """The world, the model's size and the intensity of each training.

    Attributes:
        world: the world and its data sets.
        layers: of the model.
        width: of the model; its feed-forward layers are three times as wide.
        block_size: tokens in a block that before learns from, and the model's context.
        before: training of before.
        reward: training of the reward model.
        raft: rejection sampling.
        iterations: of RAFT.
        policy: fine-tuning in an iteration of RAFT.
        dpo: training of the other after.
        beta: of DPO.
    """

    world: WorldSettings
    layers: int
    width: int
    block_size: int
    before: TrainingSettings
    reward: StageSettings
    raft: RaftSettings
    iterations: int
    policy: StageSettings
    dpo: StageSettings
    beta: float


def default_settings() -> SandboxSettings:
    """Return a world whose checkpoints take some minutes on two cores, and show a tax."""
    sampling = SamplingSettings(samples=8, max_new_tokens=30, batch=512)
    return SandboxSettings(
        world=WorldSettings(),
        layers=6,
        width=64,
        block_size=128,
        before=TrainingSettings(lr=4e-3, max_steps=900, batch=16, warmup=0.05, weight_decay=0.01),
        reward=StageSettings(lr=5e-4, epochs=1, batch=32, micro_batch=32),
        raft=RaftSettings(prompts=128, sampling=sampling, block_size=128, pool=500, collected=500),
        iterations=6,
        policy=StageSettings(lr=1.5e-3, epochs=2, batch=32, micro_batch=32),
        dpo=StageSettings(lr=5e-4, epochs=1, batch=32, micro_batch=32),
        beta=0.1,
    )


def build_sandbox(folder: Path, seed: int, settings: SandboxSettings) -> World:
    """Build the world of a seed and its checkpoints; what is there already is kept.

    The folder gets `data/` (LMFlow JSON), `tasks/` (evaluation sets shaped like the hub's repositories),
    `before/`, `reward_model/`, `raft/` with every iteration, `after/`, `after_dpo/` and `collected/`.

    Raises:
        UserError: the folder holds another world.
    """
    _claim(folder, {"seed": seed, "settings": asdict(settings)})
    world = World(seed, settings.world)
    places = Places(folder / "before", folder / "reward_model", folder / "raft")
    stages: tuple[tuple[str, Callable[[Path], object]], ...] = (
        ("data", lambda out: _write_data(world, out)),
        ("tasks", lambda out: _write_tasks(world, out)),
        ("fresh", lambda out: _write_fresh(world, out, settings)),
        ("before", lambda out: _train_before(folder / "data", folder / "fresh", out, settings, seed)),
        ("reward_model", lambda out: _train_reward_model(world, places.before, out, settings, seed)),
        ("after", lambda out: _train_after(world, places, out, settings, seed)),
        ("after_dpo", lambda out: _train_dpo(world, places.before, out, settings, seed)),
    )
    for name, build in stages:
        if not (folder / name).exists():
            sys.stderr.write(f"sandbox: {name}\n")
            build(folder / name)
    return world


def _claim(folder: Path, origin: dict[str, Any]) -> None:
    note, text = folder / "sandbox.json", json.dumps(origin, default=str, indent=1)
    if note.is_file() and note.read_text() != text:
        raise UserError(
            f"{folder} holds a sandbox of another seed or size: choose another folder, or remove it"
        )
    write_whole(note, [text])


def _write_data(world: World, folder: Path) -> None:
    """Write what the trainings read, for those who want to repeat them by hand."""
    with staged_folder(folder):
        for name, texts in (
            ("texts", world.texts()),
            ("prompts", world.prompts()),
            ("held_out_prompts", world.held_out_prompts()),
        ):
            instances: list[dict[str, Any]] = [{"text": text} for text in texts]
            write_whole(staging_of(folder) / f"{name}.json", lmflow_text("text_only", instances))
        for name, pairs in (("pairs", world.pairs()), ("held_out_pairs", world.held_out_pairs())):
            instances = [
                {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in pairs
            ]
            write_whole(staging_of(folder) / f"{name}.json", lmflow_text(PAIRS, instances))


def _write_tasks(world: World, folder: Path) -> None:
    """Write the skills' rows as a folder of evaluation sets."""
    with staged_folder(folder), TemporaryDirectory() as local:
        for name, rows in world.tasks().items():
            write_whole(Path(local) / _FILES[name], (json.dumps(row) + "\n" for row in rows))
        found = [(eval_set, find_local(Path(local), eval_set)) for eval_set in EVAL_SETS]
        write_eval_folder(staging_of(folder), [(eval_set, splits) for eval_set, splits in found if splits])


def _write_fresh(world: World, out: Path, settings: SandboxSettings) -> None:
    tokenizer = word_tokenizer(world.words())
    save_model(_config(len(tokenizer), settings), tokenizer, out)


def _config(vocabulary: int, settings: SandboxSettings) -> LlamaConfig:
    from transformers import LlamaConfig

    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=vocabulary,
        hidden_size=settings.width,
        intermediate_size=3 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=4,
        max_position_embeddings=settings.block_size,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )


def _train_before(data: Path, fresh: Path, out: Path, settings: SandboxSettings, seed: int) -> None:
    blocks = pack(read_texts([data / "texts.json"]), load_tokenizer(fresh), settings.block_size)
    torch.manual_seed(seed)
    train(new_model(fresh), load_tokenizer(fresh), blocks, out, replace(settings.before, seed=seed))


def _train_reward_model(world: World, before: Path, out: Path, settings: SandboxSettings, seed: int) -> None:
    training = replace(settings.reward, seed=seed)
    train_reward_model(
        before, world.pairs(), world.held_out_pairs(), out, training, max_length=settings.block_size
    )
    forget_trainer()


def _train_after(world: World, places: Places, out: Path, settings: SandboxSettings, seed: int) -> None:
    """Run RAFT; its last model is after, and its samples are the collected ones."""
    training = replace(settings.policy, seed=seed)
    last = run_raft(places, world.prompts(), settings.iterations, settings.raft, training)
    collected = out.with_name("collected") / "collected.json"
    write_whole(collected, [(last / collected.name).read_text()])
    with staged_folder(out):
        shutil.copytree(last / "model", staging_of(out), dirs_exist_ok=True)


def _train_dpo(world: World, before: Path, out: Path, settings: SandboxSettings, seed: int) -> None:
    training = replace(settings.dpo, seed=seed)
    train_dpo(before, world.pairs(), out, training, beta=settings.beta, max_length=settings.block_size)
    forget_trainer()
