"""Build the folder of evaluation sets from which lm-eval's stock tasks and OpenCompass read offline."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ama.console import Parser, run, track_bytes
from ama.errors import UserError

DESCRIPTION = """Bring evaluation sets into the shape of their repositories on the hub.

In the folder that is made, lm-eval's stock tasks run without internet; OpenCompass's drop_gen does with
COMPASS_DATA_CACHE set to it. A local source has a folder for each set, with SPLIT.jsonl or SPLIT.parquet:
  ai2_arc/ARC-Easy  ai2_arc/ARC-Challenge  piqa  race_eleutherai/high  super_glue_boolq  drop  squad_v2
  wmt14/fr-en
Example: python -m ama.build_eval_data --source my_copies --out data/eval
"""


def main() -> None:
    """Find the sets, write them, and show the counts."""
    options = _options()
    from ama.console.table import print_table
    from ama.data.eval_folder import squad_metric, write_eval_folder
    from ama.data.eval_sets import EVAL_SETS
    from ama.data.eval_source import REMEDY, find_local, find_on_hub
    from ama.data.prepared import prepared_folder, sha256_of, stands

    if options.few_shot_rows < 0:
        raise UserError(f"--few_shot_rows {options.few_shot_rows}: give 0 or more")
    if options.source is not None and not options.source.is_dir():
        raise UserError(f"no such folder: {options.source}; {REMEDY}")
    found = [
        (
            eval_set,
            find_on_hub(eval_set, options.revision)
            if options.source is None
            else find_local(options.source, eval_set),
        )
        for eval_set in EVAL_SETS
    ]
    sets = [(eval_set, splits) for eval_set, splits in found if splits]
    missing = [f"{eval_set.local} ({eval_set.task})" for eval_set, splits in found if not splits]
    if not sets:
        raise UserError(f"{options.source} has none of the sets: it needs {', '.join(missing)}")
    files = [file for _, splits in sets for group in splits.values() for file in group]
    origin = {
        "settings": {"few_shot_rows": options.few_shot_rows},
        "read": {file.name: sha256_of(file.path) for file in files},
        "metric": sha256(squad_metric().encode()).hexdigest(),
    }
    if stands(options.out, origin):
        sys.stderr.write(f"{options.out} is there already, made of the same files\n")
        return
    source = f"the hub, revision {options.revision}" if options.source is None else str(options.source)
    facts: dict[str, Any] = {"source": source, "missing": missing}
    inputs = [] if options.source is None else [options.source]
    with (
        prepared_folder(options.out, inputs, origin, facts, overwrite=options.overwrite) as staging,
        track_bytes("building", sum(file.path.stat().st_size for file in files)) as advance,
    ):
        written = write_eval_folder(staging, sets, options.few_shot_rows, advance)
        facts["rows"] = [entry._asdict() for entry in written]
    print_table(
        f"written to {options.out}", ("repository", "configuration", "split", "rows", "note"), written
    )
    if missing:
        sys.stdout.write(f"not in {source}: {', '.join(missing)}\n")


def _options() -> Namespace:
    parser = Parser("build_eval_data", DESCRIPTION)
    local = os.environ.get("EVAL_SOURCE")
    parser.add_argument(
        "--source",
        type=Path,
        default=Path(local) if local else None,
        help="local folder, in place of the hub; EVAL_SOURCE in the environment does the same",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--few_shot_rows",
        type=int,
        default=0,
        help="rows to keep from scoring, as few-shot examples, where a source has no split for them; with 0 "
        "one row stands in so that the tasks load, and they can be run without examples only",
    )
    parser.add_argument("--revision", default="main", help="branch or tag of the hub's repositories")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the folder, once the new one is whole"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
