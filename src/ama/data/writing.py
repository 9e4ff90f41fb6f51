"""Write samples as LMFlow JSON."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ama.checkpoint.whole_file import write_whole
from ama.data.lmflow import lmflow_text
from ama.data.samples import Sample


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
