"""Keep the batches that are done, so that an interrupted sampling or scoring goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ama.processes import rank_and_size

_Item = TypeVar("_Item", str, float)


class Journal(Generic[_Item]):
    """The results of batches by number, a file of JSON lines for each process, read by all of them."""

    def __init__(self, folder: Path, name: str) -> None:
        """Name the files `<name>.<rank>.jsonl` in a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, name

    def read(self) -> dict[int, list[_Item]]:
        """Return what any process has noted; a line that was cut short is left out."""
        found: dict[int, list[_Item]] = {}
        for path in sorted(self._folder.glob(f"{self._name}.*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    number, items = json.loads(line)
                except ValueError:
                    continue
                found[number] = items
        return found

    def writer(self) -> Callable[[int, list[_Item]], None]:
        """Return a function that notes a batch of this process, on the disk when it returns."""
        path = self._folder / f"{self._name}.{rank_and_size()[0]}.jsonl"

        def write(number: int, items: list[_Item]) -> None:
            # The line break comes first: it ends a line that was cut short.
            line = "\n" + json.dumps([number, items])
            with path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

        return write

    def remove(self) -> None:
        """Delete the files of all processes."""
        for path in self._folder.glob(f"{self._name}.*.jsonl"):
            path.unlink()
