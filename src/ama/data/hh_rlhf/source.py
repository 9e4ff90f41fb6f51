"""Where HH-RLHF comes from: a local folder in Anthropic's layout, or the hub."""

from collections.abc import Callable
from pathlib import Path

from ama.data.hh_rlhf.anthropic import SPLITS
from ama.data.hub_files import HubRepo
from ama.errors import UserError
from ama.settings.data import HELPFUL, HH_RLHF, HH_SUBSETS, HHSettings

REMEDY = "without internet set HH_RLHF_SOURCE=DIR, a local copy with SUBSET/{train,test}.jsonl.gz"

Files = dict[tuple[str, str], Path]


def find_files(settings: HHSettings) -> tuple[Files, list[str]]:
    """Return the local path of each file by subset and split, and what the user is to know.

    Each of the subsets in the settings has to have a file; of the helpful ones, which are taken where the
    settings name none, some may be missing.

    Raises:
        UserError: an unknown subset, no such folder, nothing in it, or the hub can't be asked.
    """
    source, subsets = settings.source, settings.subsets
    for name in subsets:
        if name not in HH_SUBSETS:
            known = ", ".join(HH_SUBSETS)
            raise UserError(f"--subsets {name}: there is none of this name; choose from {known}")
    if source is not None and not source.is_dir():
        raise UserError(f"no such folder: {source}; {REMEDY}")
    fetch: Callable[[str], Path | None] = (
        HubRepo(HH_RLHF, settings.revision, REMEDY).fetch if source is None else _in(source)
    )
    files: Files = {}
    notes = []
    for subset in dict.fromkeys(subsets or HELPFUL):
        found = {(subset, split): fetch(f"{subset}/{split}.jsonl.gz") for split in SPLITS}
        files |= {key: path for key, path in found.items() if path is not None}
        if not any(found.values()):
            if subsets:
                raise UserError(
                    f"{source or HH_RLHF} has no {subset}/train.jsonl.gz and no {subset}/test.jsonl.gz"
                )
            notes.append(f"{subset}: not in {source or HH_RLHF}, left out")
    if not files:
        raise UserError(f"{source or HH_RLHF} has none of the subsets {', '.join(HELPFUL)}; {REMEDY}")
    return files, notes


def _in(folder: Path) -> Callable[[str], Path | None]:
    def fetch(name: str) -> Path | None:
        path = folder / name
        return path if path.is_file() else None

    return fetch
