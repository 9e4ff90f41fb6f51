"""Where evaluation sets come from, a local folder or the hub, and their rows."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from ama.data.eval_sets.sets import DEFAULT, EvalSet
from ama.data.hub_files import HubRepo
from ama.data.lmflow import parse_json, read_utf8
from ama.errors import UserError

REMEDY = "without internet set EVAL_SOURCE=DIR, a local copy"
SUFFIXES = (".jsonl", ".parquet")
# Where the hub keeps its own conversion of repositories that hold other formats.
PARQUET_BRANCH = "refs/convert/parquet"


class Found(NamedTuple):
    """A file of a split: its name at the source, and where it lies."""

    name: str
    path: Path


Splits = dict[str, list[Found]]


def find_local(source: Path, eval_set: EvalSet) -> Splits:
    """Return the files of each split that a local folder has."""
    names = {split: split for split in eval_set.splits} | dict(eval_set.aliases)
    splits: Splits = {}
    for name, split in names.items():
        for suffix in SUFFIXES:
            file = f"{eval_set.local}/{name}{suffix}"
            if (source / file).is_file() and split not in splits:
                splits[split] = [Found(file, source / file)]
    return splits


def find_on_hub(eval_set: EvalSet, revision: str) -> Splits:
    """Fetch the files of each split from the hub, from its Parquet conversion if need be.

    Raises:
        UserError: the hub can't be asked, or has no file of any split in a format that is read here.
    """
    for branch in (revision, PARQUET_BRANCH):
        repo = HubRepo(eval_set.repo, branch, REMEDY)
        names = choose_files(eval_set, repo.names(), _front_matter(repo))
        if names:
            return {split: [_fetched(repo, name) for name in files] for split, files in names.items()}
    raise UserError(f"{eval_set.repo} has no file of its configuration {eval_set.config}; {REMEDY}")


def choose_files(eval_set: EvalSet, names: list[str], card: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of each split's files: those that the card lists, else those of the usual names.

    Args:
        eval_set: what is looked for.
        names: all files of the repository.
        card: front matter of its README.md.
    """
    readable = [name for name in names if name.endswith(SUFFIXES)]
    patterns = _listed(eval_set, card)
    chosen = {
        split: [name for name in readable if any(fnmatchcase(name, p) for p in patterns.get(split, ()))]
        for split in eval_set.splits
    }
    if not any(chosen.values()):
        folders = {DEFAULT, "data", ""} if eval_set.config == DEFAULT else {eval_set.config}
        chosen = {
            split: [name for name in readable if _is_of(name, split, folders)] for split in eval_set.splits
        }
    return {split: files for split, files in chosen.items() if files}


def _listed(eval_set: EvalSet, card: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the patterns of each split's files that a card lists; none in another form."""
    configs = [config for config in card.get("configs") or () if isinstance(config, dict)]
    # A repository's only configuration is its default one, whatever its name.
    is_only = eval_set.config == DEFAULT and len(configs) == 1
    patterns: dict[str, list[str]] = {}
    for config in configs:
        entries = config.get("data_files")
        if (is_only or config.get("config_name") == eval_set.config) and isinstance(entries, list):
            for entry in entries:
                if isinstance(entry, dict) and {"split", "path"} <= entry.keys():
                    paths = entry["path"]
                    patterns[entry["split"]] = [paths] if isinstance(paths, str) else list(paths)
    return patterns


def _is_of(name: str, split: str, folders: set[str]) -> bool:
    """Tell `config/test-00000-of-00001.parquet`, `config/test/0000.parquet` and `config/test.jsonl`."""
    match = re.fullmatch(rf"(?:(?P<folder>[^/]+)/)?{split}(?:[-./][^/]*)", name)
    return match is not None and (match["folder"] or "") in folders


def _front_matter(repo: HubRepo) -> Mapping[str, Any]:
    import yaml

    path = repo.fetch("README.md")
    parts = read_utf8(path).split("---\n", 2) if path else []
    if len(parts) < 3 or parts[0]:
        return {}
    try:
        card = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return {}
    return card if isinstance(card, dict) else {}


def _fetched(repo: HubRepo, name: str) -> Found:
    path = repo.fetch(name)
    if path is None:
        raise UserError(f"{repo.repo} has lost {name}: run it again")
    return Found(f"{repo.repo}/{name}", path)


def read_rows(file: Found) -> Iterator[tuple[str, Any]]:
    """Yield place and content of each row of a JSON-lines or Parquet file.

    Raises:
        UserError: it is neither; says where.
    """
    if file.path.name.endswith(".parquet"):
        yield from _parquet_rows(file)
        return
    for number, line in enumerate(read_utf8(file.path).split("\n"), start=1):
        if line.strip():
            place = f"{file.path}: line {number}"
            yield place, parse_json(line, place)


def _parquet_rows(file: Found) -> Iterator[tuple[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        for batch in parquet.ParquetFile(file.path).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield f"{file.path}: row {number}", row
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{file.path} is no whole Parquet file ({error}): fetch it again") from error
