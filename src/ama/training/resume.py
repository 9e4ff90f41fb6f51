"""Find the checkpoint that an unfinished training of the same run can go on from."""

import json
import sys
from pathlib import Path

from ama.checkpoint.whole_file import write_whole
from ama.errors import UserError

NOTE_NAME = "run.json"


def open_work(work: Path, run: dict[str, object]) -> str | None:
    """Return the checkpoint to go on from, None where there is none.

    Args:
        work: the folder of the run's checkpoints; it is made.
        run: what tells this run from others, as JSON can hold it.

    Raises:
        UserError: the folder holds another run.
    """
    note = work / NOTE_NAME
    if note.is_file():
        begun = json.loads(note.read_text())
        differing = [
            f"{key} {begun.get(key)!r}, now {run[key]!r}" for key in run if begun.get(key) != run[key]
        ]
        if differing:
            raise UserError(
                f"{work} holds an unfinished training with {'; '.join(differing)}: "
                "finish it with its own settings, or remove it"
            )
    write_whole(note, [json.dumps(run)])
    # trainer_state.json is written last: a checkpoint without it was cut short.
    states = work.glob("checkpoint-*/trainer_state.json")
    steps = sorted(int(state.parent.name.removeprefix("checkpoint-")) for state in states)
    if not steps:
        return None
    sys.stderr.write(f"going on at step {steps[-1]} ({work})\n")
    return str(work / f"checkpoint-{steps[-1]}")
