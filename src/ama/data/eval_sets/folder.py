"""A folder shaped like repositories of the hub, from which lm-eval and OpenCompass read offline."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ama.checkpoint.whole_file import write_whole
from ama.console.progress import track_bytes
from ama.console.table import print_table
from ama.data.eval_sets.sets import DROP, EVAL_SETS, SQUAD, EvalSet, drop_simple_row, stock_row
from ama.data.eval_sets.source import REMEDY, Found, Splits, find_local, find_on_hub, read_rows
from ama.data.prepared import prepared_folder, sha256_of, stands
from ama.errors import UserError
from ama.settings.data import EvalFolderSettings

# Under the folder that COMPASS_DATA_CACHE names.
DROP_SIMPLE = "data/drop_simple_eval/dev.jsonl"
# Where `evaluate.load("squad_v2")` looks before it asks the hub, from the working directory.
SQUAD_METRIC = "squad_v2/squad_v2.py"


class SplitRows(NamedTuple):
    """A split that was written.

    Attributes:
        repo: owner/name.
        config: its configuration.
        split: train, validation or test.
        rows: how many.
        note: what to know of it.
    """

    repo: str
    config: str
    split: str
    rows: int
    note: str = ""


def build_eval_folder(settings: EvalFolderSettings) -> None:
    """Write the folder of all sets that the source has, unless it is there already, and print the counts.

    Raises:
        UserError: no set is found, or as `write_eval_folder`, or a target that may not be replaced.
    """
    if settings.source is not None and not settings.source.is_dir():
        raise UserError(f"no such folder: {settings.source}; {REMEDY}")
    found = [
        (
            eval_set,
            find_on_hub(eval_set, settings.revision)
            if settings.source is None
            else find_local(settings.source, eval_set),
        )
        for eval_set in EVAL_SETS
    ]
    sets = [(eval_set, splits) for eval_set, splits in found if splits]
    missing = [f"{eval_set.local} ({eval_set.task})" for eval_set, splits in found if not splits]
    if not sets:
        raise UserError(f"{settings.source} has none of the sets: it needs {', '.join(missing)}")
    files = [file for _, splits in sets for group in splits.values() for file in group]
    origin = {
        "settings": {"few_shot_rows": settings.few_shot_rows},
        "read": {file.name: sha256_of(file.path) for file in files},
        "metric": sha256(squad_metric().encode()).hexdigest(),
    }
    if stands(settings.out, origin):
        sys.stderr.write(f"{settings.out} is there already, made of the same files\n")
        return
    source = f"the hub, revision {settings.revision}" if settings.source is None else str(settings.source)
    facts: dict[str, Any] = {"source": source, "missing": missing}
    inputs = [] if settings.source is None else [settings.source]
    with (
        prepared_folder(settings.out, inputs, origin, facts, overwrite=settings.overwrite) as staging,
        track_bytes("building", sum(file.path.stat().st_size for file in files)) as advance,
    ):
        written = write_eval_folder(staging, sets, settings.few_shot_rows, advance)
        facts["rows"] = [entry._asdict() for entry in written]
    columns = ("repository", "configuration", "split", "rows", "note")
    print_table(f"written to {settings.out}", columns, written)
    if missing:
        sys.stdout.write(f"not in {source}: {', '.join(missing)}\n")


def write_eval_folder(
    folder: Path,
    sets: Sequence[tuple[EvalSet, Splits]],
    few_shot_rows: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> list[SplitRows]:
    """Write each set as JSON lines, a README.md for each repository, SQuAD's metric, DROP for OpenCompass.

    Args:
        folder: where to.
        sets: what, configurations of one repository side by side.
        few_shot_rows: so many of the scored rows become few-shot examples where a source has none; with 0
            the first row stands in for them and is scored all the same, so that the task loads.
        advance: called with the number of bytes that were read.

    Raises:
        UserError: a file that can't be read, a row without its fields, or no rows to score.
    """
    written = []
    for repo, group in groupby(sets, key=lambda entry: entry[0].repo):
        configs = []
        for eval_set, files in group:
            rows = {split: _rows(eval_set, files[split], advance) for split in files}
            notes = _complete(eval_set, rows, few_shot_rows)
            for split, content in rows.items():
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in content)
                write_whole(folder / repo / eval_set.config / f"{split}.jsonl", lines)
                written.append(SplitRows(repo, eval_set.config, split, len(content), notes.get(split, "")))
            configs.append(_config(eval_set, list(rows)))
            if eval_set is DROP:
                written.append(_write_drop(folder, rows[DROP.scored]))
            elif eval_set is SQUAD:
                write_whole(folder / SQUAD_METRIC, [squad_metric()])
        write_whole(folder / repo / "README.md", [_card(repo, configs)])
    return written


def squad_metric() -> str:
    """Return the source of SQuAD's metric, which lm-eval's stock task takes from the hub otherwise."""
    return Path(__file__).with_name("squad_v2.py").read_text(encoding="utf-8")


def _rows(eval_set: EvalSet, files: Sequence[Found], advance: Callable[[int], None]) -> list[dict[str, Any]]:
    rows = []
    for file in files:
        rows += [stock_row(eval_set, row, place) for place, row in read_rows(file)]
        advance(file.path.stat().st_size)
    if not rows:
        raise UserError(f"{files[0].path} holds no row: remove it, or fetch it again")
    return rows


def _complete(eval_set: EvalSet, rows: dict[str, list[dict[str, Any]]], few_shot_rows: int) -> dict[str, str]:
    """Put rows where the task asks for a split that the source has not got, and return a note on each."""
    scored, shots = eval_set.scored, eval_set.shots
    notes = {}
    if scored not in rows:
        if shots != "validation" or shots not in rows:
            raise UserError(
                f"{eval_set.local} has only {', '.join(rows)}: {eval_set.task} scores the {scored} split, "
                f"add {scored}.jsonl"
            )
        rows[scored] = rows.pop(shots)
        notes[scored] = f"rows of the {shots} split, for there is no {scored} split"
    if shots is not None and shots not in rows:
        if few_shot_rows >= len(rows[scored]):
            raise UserError(
                f"--few_shot_rows {few_shot_rows}: {eval_set.local} has {len(rows[scored])} rows only"
            )
        if few_shot_rows:
            rows[shots], rows[scored] = rows[scored][:few_shot_rows], rows[scored][few_shot_rows:]
            notes[shots] = f"taken from the {scored} split, which lacks them"
        else:
            rows[shots] = rows[scored][:1]
            notes[shots] = "stands in so that the task loads: no few-shot examples here (--few_shot_rows)"
    return notes


def _write_drop(folder: Path, rows: Sequence[Mapping[str, Any]]) -> SplitRows:
    lines = (json.dumps(drop_simple_row(row), ensure_ascii=False) + "\n" for row in rows)
    write_whole(folder / DROP_SIMPLE, lines)
    return SplitRows("OpenCompass", "drop_gen", "validation", len(rows), f"{DROP_SIMPLE}, of the rows above")


def _config(eval_set: EvalSet, splits: Sequence[str]) -> dict[str, Any]:
    """Return the entry of the card's front matter that tells a configuration's files."""
    files = [{"split": split, "path": f"{eval_set.config}/{split}.jsonl"} for split in splits]
    return {"config_name": eval_set.config, "data_files": files}


def _card(repo: str, configs: Sequence[Mapping[str, Any]]) -> str:
    front = yaml.safe_dump({"configs": list(configs)}, sort_keys=False)
    return (
        f"---\n{front}---\n\nRows of {repo} for lm-eval, made by `python -m ama.build_eval_data`.\n"
        f"Licence and origin: the card of {repo} on the hub.\n"
    )
