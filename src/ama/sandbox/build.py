"""Build the sandbox world's checkpoints by the project's own stages: before, reward model, and the afters."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig

from ama.checkpoint.staging import staged_folder, staging_of, writing
from ama.checkpoint.whole_file import write_whole
from ama.data.samples import write_samples
from ama.errors import UserError
from ama.models import load_tokenizer, save_model
from ama.processes import free_trainer
from ama.sampling.rollout import rollout
from ama.sandbox.files import write_data, write_tasks
from ama.sandbox.gold import NOTE_NAME
from ama.sandbox.rows import rows_of
from ama.sandbox.words import word_tokenizer
from ama.sandbox.world import World
from ama.settings.samples import LossOn
from ama.settings.sandbox import CONTEXT, SIZES, SandboxSettings, SandboxSize
from ama.settings.training import DpoSettings
from ama.training.dpo import train_dpo
from ama.training.prompts import prompts_of
from ama.training.raft import train_raft
from ama.training.reward_model import train_reward_model
from ama.training.selection import collect, passing
from ama.training.sft import train_rows

Stage = tuple[str, Callable[[Path], object]]


def build_sandbox(settings: SandboxSettings) -> World:
    """Build the world of a seed and its checkpoints; what is there already is kept.

    The folder gets `data/` (LMFlow JSON), `tasks/` (evaluation sets shaped like the hub's repositories),
    `before/`, `reward_model/`, `raft/` with every iteration, `after/`, and `collected/` with its samples of
    high reward. A run that was cut short goes on: at the last checkpoint of the training that it was in, and
    within RAFT at the step that it was at.

    Raises:
        UserError: the folder holds another world, or can't be written.
    """
    folder, seed, size = settings.out, settings.seed, SIZES[settings.size]
    # A number that is fixed, and not that of the machine's cores, makes the result the same everywhere; with
    # matrices this small, two threads wait for each other as soon as something else is running.
    torch.set_num_threads(settings.threads)
    with writing(folder):
        _claim(folder / NOTE_NAME, seed, size)
    world = World(seed, size.world)
    builder = _Builder(folder, seed, size, world)
    stages = builder.stages(dpo=settings.dpo, prompt_loss=settings.prompt_loss)
    for number, (name, build) in enumerate(stages, start=1):
        if (folder / name).exists():
            continue
        sys.stderr.write(f"sandbox: {name} ({number} of {len(stages)})\n")
        begun = time.monotonic()
        build(folder / name)
        free_trainer()
        sys.stderr.write(f"sandbox: {name} took {time.monotonic() - begun:.0f} s\n")
    return world


def _claim(note: Path, seed: int, size: SandboxSize) -> None:
    """Write what the folder holds, unless it holds something else."""
    text = json.dumps({"seed": seed, "settings": asdict(size)}, default=str, indent=1)
    if note.is_file():
        held = note.read_text(encoding="utf-8")
        if held == text:
            return
        what = "size or version" if f'"seed": {seed},' in held else f"seed than {seed}"
        raise UserError(
            f"{note.parent} holds a sandbox of another {what} (see {note.name} there): "
            "choose another folder, or remove it"
        )
    write_whole(note, [text])


class _Builder:
    """The stages of one world in one folder."""

    def __init__(self, folder: Path, seed: int, size: SandboxSize, world: World) -> None:
        self._folder, self._seed, self._size, self._world = folder, seed, size, world

    def stages(self, *, dpo: bool, prompt_loss: bool) -> list[Stage]:
        """Return the stages in their order; each makes the folder it is named after."""
        found: list[Stage] = [
            ("data", lambda out: write_data(self._world, out)),
            ("tasks", lambda out: write_tasks(self._world, out)),
            ("fresh", self._write_fresh),
            ("before", self._train_before),
            ("reward_model", self._train_reward_model),
            ("after", lambda out: self._train_raft(out, LossOn.RESPONSE)),
        ]
        if dpo:
            found += [("after_dpo", self._train_dpo), ("collected_dpo", self._collect_dpo)]
        if prompt_loss:
            found.append(("after_prompt_loss", lambda out: self._train_raft(out, LossOn.TEXT)))
        return found

    def _write_fresh(self, out: Path) -> None:
        tokenizer = word_tokenizer(self._world.words())
        save_model(_config(len(tokenizer), self._size), tokenizer, out)

    def _train_before(self, out: Path) -> None:
        fresh = self._folder / "fresh"
        size, tokenizer = self._size, load_tokenizer(fresh)
        ids, labels = rows_of(self._world.lessons(), tokenizer, size.row, size.prompt_share, self._seed)
        pairs = zip(ids.tolist(), labels.tolist(), strict=True)
        rows = [{"input_ids": row, "labels": wanted} for row, wanted in pairs]
        training = replace(size.before, seed=self._seed)
        train_rows(fresh, rows, out, training, block_size=size.row, fresh=True)

    def _train_reward_model(self, out: Path) -> None:
        training = replace(self._size.reward, seed=self._seed)
        pairs, held_out = self._world.pairs(), self._world.held_out_pairs()
        train_reward_model(self._folder / "before", pairs, held_out, out, training, max_length=self._size.row)

    def _train_raft(self, out: Path, loss_on: LossOn) -> None:
        """Run RAFT; its last model is after, and its samples are the collected ones."""
        run = self._folder / out.name.replace("after", "raft")
        models = self._folder / "before", self._folder / "reward_model"
        recipe = replace(
            self._size.raft,
            raft=replace(self._size.raft.raft, loss_on=loss_on),
            training=replace(self._size.raft.training, seed=self._seed),
        )
        last = train_raft(*models, self._world.prompts(), run, recipe)
        with staged_folder(_collected(out)):
            shutil.copy(last / "collected.json", staging_of(_collected(out)))
        with staged_folder(out):
            shutil.copytree(last / "model", staging_of(out), dirs_exist_ok=True)

    def _train_dpo(self, out: Path) -> None:
        size = self._size
        training = replace(size.dpo, seed=self._seed)
        before, pairs = self._folder / "before", self._world.pairs()
        train_dpo(before, pairs, out, DpoSettings(beta=size.beta, max_length=size.row), training)

    def _collect_dpo(self, out: Path) -> None:
        """Sample from the model after DPO as RAFT does from its own, once its last iteration is done."""
        recipe = self._size.raft
        iterations, count = recipe.raft.iterations, recipe.raft.prompts_per_iteration
        prompts = prompts_of(self._world.prompts(), count, iterations, self._seed)
        models = self._folder / "after_dpo", self._folder / "reward_model"
        work = out.with_name(f"{out.name}.work")
        sampling = recipe.sampling.seeded(self._seed + iterations + 1)
        passed = passing(rollout(*models, prompts, sampling, work), recipe.selection)
        pool, drawn_count = recipe.collection.pool, recipe.collection.collected
        drawn = collect(passed.samples, pool, drawn_count, self._seed)
        with staged_folder(out):
            write_samples(staging_of(out) / "collected.json", drawn)
        shutil.rmtree(work)


def _collected(out: Path) -> Path:
    return out.with_name(out.name.replace("after", "collected"))


def _config(vocabulary: int, size: SandboxSize) -> LlamaConfig:
    options: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=vocabulary,
        hidden_size=size.width,
        intermediate_size=3 * size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        **options,
    )
