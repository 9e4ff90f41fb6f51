"""Collected samples: prompt, reply and reward, from LMFlow JSON."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ama.core.errors import UserError

REPLY_MARK = "###Assistant:"


@dataclass(frozen=True)
class Sample:
    """One sampled text.

    Attributes:
        prompt: what was given; empty where the text has no reply mark.
        reply: what was sampled.
        reward: its reward, None if it was not scored.
    """

    prompt: str
    reply: str
    reward: float | None = None


def read_samples(path: Path) -> list[Sample]:
    """Read LMFlow JSON of type text_only or text2text; instances may carry a `reward`.

    A text_only instance is split after its last `###Assistant:`.

    Args:
        path: a file, or a folder whose *.json files are read in the order of their names.

    Raises:
        UserError: nothing there, no LMFlow JSON, or an instance without its fields; names file and instance.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    samples = [sample for file in files for sample in _read_file(file)]
    if not samples:
        raise UserError(f"data set {path} is empty: give LMFlow JSON with at least one instance")
    return samples


def _read_file(file: Path) -> list[Sample]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"data set {file} is missing") from None
    except ValueError as error:
        raise UserError(f"data set {file} is no JSON file: {error}") from error
    kind = content.get("type") if isinstance(content, dict) else None
    if kind not in ("text_only", "text2text") or not isinstance(content.get("instances"), list):
        raise UserError(
            f'data set {file} is no LMFlow JSON: write {{"type": "text_only", "instances": [...]}}'
        )
    return [_sample(item, kind, f"{file}: instance {i}") for i, item in enumerate(content["instances"])]


def _sample(item: Any, kind: str, place: str) -> Sample:
    fields = ("text",) if kind == "text_only" else ("input", "output")
    for field in fields:
        if not isinstance(item, dict) or not isinstance(item.get(field), str):
            raise UserError(f"{place}: needs text under '{field}'")
    reward = item.get("reward")
    if reward is not None and (isinstance(reward, bool) or not isinstance(reward, int | float)):
        raise UserError(f"{place}: reward is {reward!r}, no number")
    if kind == "text2text":
        return Sample(item["input"], item["output"], reward)
    prompt, mark, reply = item["text"].rpartition(REPLY_MARK)
    return Sample(prompt + mark, reply, reward)
