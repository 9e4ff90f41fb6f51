"""Check data files of the project, and show counts, lengths and samples."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING

from ama.console import Parser, run
from ama.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ama.data.inspection import Inspection

DESCRIPTION = """Check a data file, or every data set in a folder; show counts, lengths and samples.

It reads LMFlow JSON (.json), JSON lines (.jsonl) and plain text (.txt), which data/README.md describes, and
what ama.build_eval_data writes. The first mistake ends it with one line that names file, instance and
field, and exit status 2.
Example: python -m ama.inspect_data data/hh_rlhf --tokenizer models/sft
"""


def main() -> None:
    """Inspect each data set and print what it holds."""
    options = _options()
    from ama.data.eval_inspection import inspect_any
    from ama.data.inspection import data_sets

    if options.samples < 0:
        raise UserError(f"--samples {options.samples}: give 0 or more")
    found = [path for source in options.paths for path in data_sets(source)]
    count = None
    if options.tokenizer is not None:
        from ama.models.token_counts import token_counter

        _, count = token_counter(options.tokenizer)
    for path in found:
        inspection = inspect_any(path)
        _show(inspection, count)
        _show_samples(inspection, options.samples)


def _show(inspection: Inspection, count: Callable[[list[str]], list[int]] | None) -> None:
    from ama.console.table import print_table

    rows = []
    for name, texts in inspection.texts.items():
        rows.append((name, "characters", *_summary([len(text) for text in texts])))
        if count is not None:
            rows.append((name, "tokens", *_summary(count(texts))))
    rows += [(name, "value", *_summary(values)) for name, values in inspection.numbers.items()]
    columns = ("field", "of", "number", "least", "median", "mean", "most", "sum")
    instances = len(next(iter(inspection.texts.values())))
    title = f"{inspection.path}: {inspection.kind}, {inspection.form}, {instances:,} instances"
    print_table(title, columns, rows)
    for remark, number in inspection.remarks.items():
        sys.stdout.write(f"remark: {remark} in {number} of {instances} instances\n")


def _summary(values: Sequence[float]) -> tuple[object, ...]:
    summary = (min(values), median(values), mean(values), max(values), sum(values))
    return (
        len(values),
        *(f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" for value in summary),
    )


def _show_samples(inspection: Inspection, number: int) -> None:
    """Print instances at equal distances, the first one first."""
    fields = inspection.texts
    total = len(next(iter(fields.values())))
    shown = min(number, total)
    for index in (place * total // shown for place in range(shown)):
        sys.stdout.write(f"--- instance {index}\n")
        for name, texts in fields.items():
            if len(texts) == total:
                sys.stdout.write(f"{name}: {texts[index]}\n")
        for name, values in inspection.numbers.items():
            sys.stdout.write(f"{name}: {values[index]}\n")


def _options() -> Namespace:
    parser = Parser("inspect_data", DESCRIPTION)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="file or folder")
    parser.add_argument(
        "--tokenizer", type=Path, metavar="FOLDER", help="model folder: count tokens with its tokenizer, too"
    )
    parser.add_argument("--samples", type=int, default=2, help="instances to print of each data set")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
