"""Where HH-RLHF comes from: a local folder in Anthropic's layout, or the hub."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ama.data.anthropic import HELPFUL, REPO, SPLITS, SUBSETS
from ama.data.hub_files import HubRepo
from ama.errors import UserError

REMEDY = "without internet set HH_RLHF_SOURCE=DIR, a local copy with SUBSET/{train,test}.jsonl.gz"

Files = dict[tuple[str, str], Path]


def find_files(source: Path | None, revision: str, subsets: Sequence[str] | None) -> tuple[Files, list[str]]:
    """Return the local path of each file by subset and split, and what the user is to know.

    Args:
        source: folder with `<subset>/{train,test}.jsonl.gz`; None for the hub.
        revision: of the repository on the hub.
        subsets: each has to have a file; None for the helpful ones, of which some may be missing.

    Raises:
        UserError: an unknown subset, no such folder, nothing in it, or the hub can't be asked.
    """
    for name in subsets or ():
        if name not in SUBSETS:
            raise UserError(f"--subsets {name}: there is none of this name; choose from {', '.join(SUBSETS)}")
    if source is not None and not source.is_dir():
        raise UserError(f"no such folder: {source}; {REMEDY}")
    fetch: Callable[[str], Path | None] = (
        HubRepo(REPO, revision, REMEDY).fetch if source is None else _in(source)
    )
    files: Files = {}
    notes = []
    for subset in dict.fromkeys(subsets or HELPFUL):
        found = {(subset, split): fetch(f"{subset}/{split}.jsonl.gz") for split in SPLITS}
        files |= {key: path for key, path in found.items() if path is not None}
        if not any(found.values()):
            if subsets:
                raise UserError(
                    f"{source or REPO} has no {subset}/train.jsonl.gz and no {subset}/test.jsonl.gz"
                )
            notes.append(f"{subset}: not in {source or REPO}, left out")
    if not files:
        raise UserError(f"{source or REPO} has none of the subsets {', '.join(HELPFUL)}; {REMEDY}")
    return files, notes


def _in(folder: Path) -> Callable[[str], Path | None]:
    def fetch(name: str) -> Path | None:
        path = folder / name
        return path if path.is_file() else None

    return fetch
