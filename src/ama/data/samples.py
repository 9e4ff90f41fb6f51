"""Collected samples: prompt, reply and reward, read and written as LMFlow JSON."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ama.checkpoint.whole_file import write_whole
from ama.data.dialogue import split_reply
from ama.data.lmflow import Instance, lmflow_text, read_lmflow
from ama.data.reading import LMFLOW_KINDS


@dataclass(frozen=True)
class Sample:
    """One sampled text.

    Attributes:
        prompt: what was given; empty where the text has no reply mark.
        reply: what was sampled.
        reward: its reward, None if it was not scored.
        tokens: of the reply, None if they were not counted.
    """

    prompt: str
    reply: str
    reward: float | None = None
    tokens: int | None = None


def read_samples(path: Path) -> list[Sample]:
    """Read LMFlow JSON of type text_only or text2text; instances may carry `reward` and `tokens`.

    A text_only instance is split after its last `###Assistant:`.

    Args:
        path: a file, or a folder whose *.json files are read in the order of their names.

    Raises:
        UserError: nothing there, no LMFlow JSON, or an instance without its fields; names file and instance.
    """
    return [_sample(instance) for instance in read_lmflow(path, LMFLOW_KINDS)]


def _sample(instance: Instance) -> Sample:
    prompt, reply = split_reply(*instance.texts) if instance.kind == "text_only" else instance.texts
    return Sample(prompt, reply, instance.fields.get("reward"), instance.fields.get("tokens"))


def write_samples(path: Path, samples: Iterable[Sample], *, joined: bool = True) -> None:
    """Write samples with the rewards and lengths that are known; the file appears when it is whole.

    Args:
        path: a .json file.
        samples: in this order.
        joined: as text_only, prompt and reply in one text, which is split at its last `###Assistant:` when it
            is read again; otherwise as text2text, which keeps any prompt and reply apart.
    """
    instances = (_texts(sample, joined) | _numbers(sample) for sample in samples)
    write_whole(path, lmflow_text("text_only" if joined else "text2text", instances))


def _texts(sample: Sample, joined: bool) -> dict[str, Any]:
    if joined:
        return {"text": sample.prompt + sample.reply}
    return {"input": sample.prompt, "output": sample.reply}


def _numbers(sample: Sample) -> dict[str, Any]:
    numbers = {"reward": sample.reward, "tokens": sample.tokens}
    return {name: number for name, number in numbers.items() if number is not None}
