"""The sandbox world's data as files: LMFlow JSON to train on, evaluation sets shaped like the hub's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ama.checkpoint.staging import staged_folder, staging_of
from ama.checkpoint.whole_file import write_whole
from ama.data.eval_sets.folder import write_eval_folder
from ama.data.eval_sets.sets import EVAL_SETS
from ama.data.eval_sets.source import find_local
from ama.data.lmflow import lmflow_text
from ama.data.pairs import KIND as PAIRS
from ama.data.pairs import Pair
from ama.sandbox.world import World

# Where a local source of evaluation sets has each of the world's tasks.
_FILES = {
    "facts": "ai2_arc/ARC-Easy/test.jsonl",
    "reading": "squad_v2/validation.jsonl",
    "translation": "wmt14/fr-en/newstest2014.jsonl",
}


def write_data(world: World, folder: Path) -> None:
    """Write what the trainings read, for those who want to repeat them by hand.

    The folder gets `lessons.json` (text2text; samples of one lesson stand beside each other), `prompts.json`
    and `held_out_prompts.json` (text_only), `pairs.json` and `held_out_pairs.json`.
    """
    samples = [sample for lesson in world.lessons() for sample in lesson]
    content: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "lessons": ("text2text", [{"input": each.prompt, "output": each.reply} for each in samples]),
        "prompts": ("text_only", [{"text": prompt} for prompt in world.prompts()]),
        "held_out_prompts": ("text_only", [{"text": prompt} for prompt in world.held_out_prompts()]),
        "pairs": (PAIRS, _pairs(world.pairs())),
        "held_out_pairs": (PAIRS, _pairs(world.held_out_pairs())),
    }
    with staged_folder(folder):
        for name, (kind, instances) in content.items():
            write_whole(staging_of(folder) / f"{name}.json", lmflow_text(kind, instances))


def _pairs(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    return [{"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in pairs]


def write_tasks(world: World, folder: Path) -> None:
    """Write the skills' rows as a folder that lm-eval's stock tasks read offline."""
    with staged_folder(folder), TemporaryDirectory() as local:
        for name, rows in world.tasks().items():
            write_whole(Path(local) / _FILES[name], (json.dumps(row) + "\n" for row in rows))
        found = [(eval_set, find_local(Path(local), eval_set)) for eval_set in EVAL_SETS]
        write_eval_folder(staging_of(folder), [(eval_set, splits) for eval_set, splits in found if splits])
