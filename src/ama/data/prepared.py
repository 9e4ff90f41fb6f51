"""A prepared data set: a folder that appears when it is whole, with a manifest of what it came from."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any

import ama
from ama.checkpoint.staging import check_target, staged_folder, staging_of
from ama.data.lmflow import MANIFEST


def stands(target: Path, origin: Mapping[str, Any]) -> bool:
    """Return whether `target` holds, whole and unchanged, what is made from `origin`.

    Args:
        target: folder of a prepared data set, which may not exist.
        origin: settings, and checksums of the files that were read, as JSON can hold them.
    """
    try:
        manifest = json.loads((target / MANIFEST).read_bytes())
        files = manifest["files"]
        return bool(
            manifest["origin"] == origin
            and files
            and all(_described(target / name) == entry for name, entry in files.items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextmanager
def prepared_folder(
    target: Path, inputs: list[Path], origin: Mapping[str, Any], facts: dict[str, Any], *, overwrite: bool
) -> Iterator[Path]:
    """Yield a staging folder for the block to fill; at its end add the manifest, and rename it to `target`.

    Args:
        target: the folder to make.
        inputs: folders that are read.
        origin: see `stands`.
        facts: more to say in the manifest, such as counts; the block may add to it.
        overwrite: whether a prepared data set that stands at `target` is replaced.

    Raises:
        UserError: `target` exists and may not be replaced, overlaps an input, or can't be written.
    """
    check_target(target, inputs, overwrite=overwrite, record=MANIFEST)
    with staged_folder(target):
        staging = staging_of(target)
        yield staging
        names = sorted(str(path.relative_to(staging)) for path in staging.rglob("*") if path.is_file())
        files = {name: _described(staging / name) for name in names}
        manifest = {"ama": ama.__version__, "origin": origin, **facts, "files": files}
        (staging / MANIFEST).write_text(
            json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _described(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
