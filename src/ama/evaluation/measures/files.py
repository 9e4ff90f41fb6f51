"""Names of the files that evaluations write beside the scores, and journals of numbers on their way there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ama.sampling.journal import Journal


def fingerprint_of(texts: Sequence[str]) -> str:
    """Return what changes when one of the texts or their order does."""
    return sha256(json.dumps(texts).encode()).hexdigest()[:16]


def keyed_name(label: str, decides: Mapping[str, Any]) -> str:
    """Return a file name that says what it is and changes with what decides its content."""
    key = sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '_', label).strip('._')[:48]}-{key}"


def open_journal(path: Path, batch: int) -> Journal[float]:
    """Return the journal of numbers on their way to `path`, whose batches have this many items."""
    return Journal(path.parent, f"{path.stem}-batch{batch}")


def close_journals(path: Path) -> None:
    """Delete the journals of numbers that `path` holds now."""
    for journal in path.parent.glob(f"{path.stem}-batch*.jsonl"):
        journal.unlink()
