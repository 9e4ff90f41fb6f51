"""Check the files of the folder of evaluation sets, which have the schema of their harness and not ours."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ama.data.eval_sets.folder import DROP_SIMPLE
from ama.data.eval_sets.sets import EVAL_SETS, EvalSet, stock_row
from ama.data.eval_sets.source import Found, read_rows
from ama.data.inspection import Form, Inspection, inspect
from ama.errors import UserError

_DROP_SIMPLE = EvalSet("OpenCompass", "drop_gen", "drop_gen", "dev", None, "", ("context", "ref_text"))


def inspect_any(path: Path) -> Inspection:
    """Check a data set: one that `ama.build_eval_data` has written, known by its place, or any other.

    Raises:
        UserError: see `ama.data.inspection.inspect`; of an evaluation set, a row that is no JSON or lacks a
            field, and a file without rows. Names file, line and field.
    """
    eval_set = _eval_set_of(path)
    if eval_set is None:
        return inspect(path)
    inspection = Inspection(path, f"rows of {eval_set.repo} {eval_set.config} ({eval_set.task})", Form.PLAIN)
    for place, row in read_rows(Found(path.name, path)):
        checked = stock_row(eval_set, row, place)
        for name, text in _texts({name: checked[name] for name in eval_set.fields}):
            inspection.texts.setdefault(name, []).append(text)
    if not inspection.texts:
        raise UserError(f"{path}: holds no row")
    return inspection


def _eval_set_of(path: Path) -> EvalSet | None:
    place = path.absolute()
    if place.as_posix().endswith(f"/{DROP_SIMPLE}"):
        return _DROP_SIMPLE
    if place.suffix != ".jsonl":
        return None
    folder = place.parent.as_posix()
    return next((one for one in EVAL_SETS if folder.endswith(f"/{one.repo}/{one.config}")), None)


def _texts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the texts of fields, those one level down as `translation.en`."""
    for name, value in row.items():
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", text) for key, text in value.items() if isinstance(text, str))
