"""From what the user typed, a folder, a hub id or a LoRA adapter, to a checkpoint that can be read."""

import re
from pathlib import Path

from ama.checkpoint.adapter import apply_adapter, is_adapter
from ama.checkpoint.folder import Checkpoint, read_checkpoint
from ama.core.errors import UserError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMPANIONS = ["*.json", "*.model", "*.txt", "*.jinja", "*.py"]


def open_pair(
    before: str, after: str, revisions: tuple[str | None, str | None]
) -> tuple[Checkpoint, Checkpoint]:
    """Open the model before RLHF and the one after it, which may be a LoRA adapter on before.

    Args:
        before: folder or hub id.
        after: folder or hub id.
        revisions: branch, tag or commit of each on the hub; None for the default branch.

    Raises:
        UserError: either can't be found or read, both are the same folder, or before is an adapter.
    """
    folders = [locate(source, revision) for source, revision in zip((before, after), revisions, strict=True)]
    if folders[0][0].resolve() == folders[1][0].resolve():
        raise UserError(f"before and after are the same folder, {folders[0][0]}: there is nothing to average")
    if is_adapter(folders[0][0]):
        raise UserError(
            f"before, {before}, is a LoRA adapter: only after may be one; merge it into its base first"
        )
    first = read_checkpoint(folders[0][0], before, folders[0][1])
    if is_adapter(folders[1][0]):
        return first, apply_adapter(first, folders[1][0], after, folders[1][1])
    return first, read_checkpoint(folders[1][0], after, folders[1][1])


def locate(source: str, revision: str | None) -> tuple[Path, str | None]:
    """Return the local folder of a checkpoint, fetched from the hub where needed, and the hub's commit.

    Raises:
        UserError: neither a folder nor a hub id that can be fetched.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder, None
    if folder.exists():
        raise UserError(f"{source} is a file: give the checkpoint's folder")
    if not _HUB_ID.fullmatch(source):
        raise UserError(f"no such folder: {source} (nor is it a hub id of the form owner/name)")
    snapshot = _download(source, revision)
    return snapshot, snapshot.name


def _download(repo: str, revision: str | None) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        if constants.HF_HUB_OFFLINE:
            return Path(snapshot_download(repo, revision=revision, local_files_only=True))
        files = HfApi().list_repo_files(repo, revision=revision)
        kind = "*.safetensors" if any(name.endswith(".safetensors") for name in files) else "*.bin"
        wanted = [*_COMPANIONS, kind]
        return Path(
            snapshot_download(repo, revision=revision, allow_patterns=wanted, ignore_patterns=["*/*"])
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError, ValueError) as error:
        where = f"{repo} at revision {revision}" if revision else repo
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"{where} is neither a local folder nor to be had from the hub: {reason}") from error
