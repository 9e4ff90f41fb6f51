"""Where a model folder's weights come from: its ratio schedule, and a fingerprint that is cheap to take."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ama.checkpoint.staging import RECORD_NAME
from ama.errors import UserError

_WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class Provenance:
    """What is known of a model without reading its weights.

    Attributes:
        schedule: name of the ratio schedule, empty if the model is no average.
        ratio: the schedule's alpha, in [0, 1], None if the model is no average.
        fingerprint: changes when the weights do.
    """

    schedule: str
    ratio: float | None
    fingerprint: str


def provenance(folder: Path) -> Provenance:
    """Read a model folder's merge record; without one, take the weight files' names, sizes and times.

    Raises:
        UserError: if the merge record is not one.
    """
    path = folder / RECORD_NAME
    if path.is_file():
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            schedule = record["schedule"]
            return Provenance(str(schedule["name"]), float(schedule["ratio"]), record["merged"]["xxh3_128"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: not a merge record of ama ({error!r})") from error
    files = sorted(file for pattern in _WEIGHTS for file in folder.glob(pattern))
    lines = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}\n" for file in files]
    return Provenance("", None, sha256("".join(lines).encode()).hexdigest()[:32])
