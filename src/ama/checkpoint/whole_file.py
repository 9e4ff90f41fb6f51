"""Files of text that appear under their name only when they are whole."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def write_whole(path: Path, pieces: Iterable[str]) -> None:
    """Write the pieces beside `path`, sync, and rename; folders above it are made.

    Of processes that write one file at the same time, the last to finish is the one whose text stays.
    """
    with whole_file(path) as file:
        file.writelines(piece.encode() for piece in pieces)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file for bytes that appears as `path` when the block ends well; see `write_whole`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: under one that is shared, processes would rename each other's file away.
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
