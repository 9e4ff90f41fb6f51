"""The summary of a prepared HH-RLHF: what was read, dropped and written."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ama.console.table import print_table
from ama.data.hh_rlhf.folder import Output
from ama.data.hh_rlhf.part import Part
from ama.data.hh_rlhf.split import SplitRows


def counts(
    parts: Sequence[Part], rows: SplitRows, written: Sequence[Output], notes: Sequence[str]
) -> dict[str, Any]:
    """Return what the manifest and the summary say, as JSON can hold it."""
    return {
        "read": [
            {"file": part.file, "comparisons": part.lines, "kept": len(part.rows), "dropped": part.dropped}
            for part in parts
        ],
        "test_rows_dropped_as_leaks": rows.leaked,
        "prompts_left_out": {
            name: {"too_long": prompts.long, "repeated": prompts.repeated}
            for name, prompts in (("train", rows.prompts), ("test", rows.eval_prompts))
        },
        "instances": {file.name: file.size for file in written},
        "what": {file.name: file.what for file in written},
        "notes": [*notes, *rows.notes],
    }


def show(out: Path, facts: Mapping[str, Any]) -> None:
    """Print what `counts` has found, and where it came from, on stdout."""
    read = facts["read"]
    print_table(
        f"read from {facts['source']}",
        ("file", "comparisons", "kept", "dropped"),
        [(part["file"], part["comparisons"], part["kept"], _reasons(part["dropped"])) for part in read],
    )
    total: Counter[str] = sum((Counter(part["dropped"]) for part in read), Counter())
    print_table(
        f"written to {out}",
        ("file", "instances", "what"),
        [
            (name if count else f"{name}: not made", count, facts["what"][name])
            for name, count in facts["instances"].items()
        ],
    )
    left_out = facts["prompts_left_out"]
    lines = [f"{sum(total.values())} comparisons dropped ({_reasons(total) or 'none'})"]
    lines.append(
        f"{facts['test_rows_dropped_as_leaks']} test rows dropped since training has their prompt too"
    )
    lines += [
        f"{split} prompts left out: {counts['too_long']} too long, {counts['repeated']} repeated"
        for split, counts in left_out.items()
    ]
    sys.stdout.write("\n".join([*lines, *facts["notes"]]) + "\n")


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(dropped.items()))
