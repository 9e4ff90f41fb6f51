"""Progress over bytes with the time left: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def track_bytes(label: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Show on stderr how far the block has come.

    Args:
        label: what is being done.
        total: bytes to do.
        shown: False to hide it, as on all ranks but one.

    Yields:
        A function to call with the number of bytes just done; it may be called from several threads.
    """
    if not shown:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(label, total) as advance:
            yield advance
    else:
        yield _Lines(label, total).advance


@contextmanager
def _bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)


class _Lines:
    """A line every few seconds; a job shorter than that prints none."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total, self._done = label, total, 0
        self._begun = self._spoken = time.monotonic()
        self._lock = Lock()

    def advance(self, done: int) -> None:
        with self._lock:
            self._done += done
            now = time.monotonic()
            if now - self._spoken < SECONDS_BETWEEN_LINES:
                return
            self._spoken = now
            share = self._done / self._total
            left = (now - self._begun) * (1 / share - 1)
        sys.stderr.write(f"{self._label}: {share:.0%}, {left:.0f} s left\n")
