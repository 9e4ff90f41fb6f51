"""Collected samples: prompt, reply and reward, from LMFlow JSON."""

from dataclasses import dataclass
from pathlib import Path

from ama.data.dialogue import split_reply
from ama.data.lmflow import Instance, read_lmflow
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
