"""The sandbox world's gold score of drawn replies: what the reward model only guesses at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ama.data.samples import Sample
from ama.errors import UserError
from ama.sandbox.world import World
from ama.settings.sandbox import WorldSettings

NOTE_NAME = "sandbox.json"


def world_of(folder: Path) -> World:
    """Return the world whose sandbox was built in a folder, drawn anew by its seed.

    Raises:
        UserError: the folder holds no sandbox, or its note was changed.
    """
    note = folder / NOTE_NAME
    if not note.is_file():
        raise UserError(
            f"{folder} holds no sandbox (no {NOTE_NAME}): build one by python -m ama.build_sandbox"
        )
    try:
        origin = json.loads(note.read_text(encoding="utf-8"))
        return World(int(origin["seed"]), WorldSettings(**origin["settings"]["world"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{note} names no world of this version ({error}): build the sandbox again"
        ) from error


def gold_of(folder: Path, samples: Sequence[Sample]) -> list[float]:
    """Return the gold score of each sample's reply, between -3 and 3; see `ama.sandbox.talk.gold_score`.

    Args:
        folder: of a sandbox.
        samples: replies to prompts of its world.

    Raises:
        UserError: the folder holds no sandbox, or a prompt is not of its world.
    """
    world = world_of(folder)
    requests = world.talk.requests
    for number, sample in enumerate(samples):
        if sample.prompt not in requests:
            raise UserError(
                f"sample {number}: the prompt {sample.prompt[:80]!r} is not of the world in {folder}: "
                f"give replies to {folder / 'data' / 'held_out_prompts.json'}"
            )
    return [world.gold(sample.prompt, sample.reply) for sample in samples]
