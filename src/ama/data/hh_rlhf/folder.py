"""The folder hh_rlhf: what it holds, file by file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ama.checkpoint.whole_file import write_whole
from ama.data.hh_rlhf.part import Row
from ama.data.hh_rlhf.split import SplitRows
from ama.data.lmflow import lmflow_text
from ama.data.pairs import KIND
from ama.errors import UserError


class Output(NamedTuple):
    """A file of the result.

    Attributes:
        name: its path in the folder.
        what: for the user.
        size: number of instances.
        kind: type of the LMFlow JSON.
        instances: what it holds.
    """

    name: str
    what: str
    size: int
    kind: str
    instances: Iterable[Mapping[str, str]]


def outputs(rows: SplitRows) -> list[Output]:
    """Return the files, in order; one that would be empty has size 0."""
    first, second = rows.eval_halves
    return [
        Output(
            "sft/train.json",
            "training dialogues with the preferred reply",
            len(rows.train),
            "text_only",
            ({"text": row.prompt + row.chosen} for row in rows.train),
        ),
        _pairs("rm/train/train.json", "training pairs", rows.train),
        _pairs(
            "rm/train/test.json", "test pairs that reward models train on, too, as in the paper", rows.test
        ),
        _pairs("rm/held_out/held_out.json", "test pairs kept apart", rows.held_out),
        _prompts("rlhf/rlhf_prompt/train.json", "training prompts", rows.prompts.texts),
        _prompts("rlhf/rlhf_eval/first_half.json", "test prompts", first),
        _prompts("rlhf/rlhf_eval/second_half.json", "test prompts", second),
    ]


def write_outputs(folder: Path, files: Iterable[Output]) -> None:
    """Write each file that has an instance.

    Raises:
        UserError: none has.
    """
    wanted = [file for file in files if file.size]
    if not wanted:
        raise UserError("no comparison is left: see why they were dropped, and give other files")
    for file in wanted:
        write_whole(folder / file.name, lmflow_text(file.kind, file.instances))


def _pairs(name: str, what: str, rows: list[Row]) -> Output:
    instances = ({"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected} for row in rows)
    return Output(name, what, len(rows), KIND, instances)


def _prompts(name: str, what: str, texts: list[str]) -> Output:
    return Output(name, what, len(texts), "text_only", ({"text": text} for text in texts))
