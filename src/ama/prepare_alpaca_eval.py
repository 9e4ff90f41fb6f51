"""Bring AlpacaEval's prompts and the outputs to compare with into one file."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from ama.console import Parser, run
from ama.errors import UserError

FILE = "alpaca_eval.json"
DESCRIPTION = f"""Write {FILE}: each prompt of AlpacaEval with the outputs of the models to compare with.

`reference` are the outputs that come with the prompts, those of text_davinci_003; gpt4_1106_preview are those
that the paper compares with. A local source has alpaca_eval.jsonl, and model_outputs/MODEL.json for each.
Example: python -m ama.prepare_alpaca_eval data/alpaca_eval --source my_copy
"""


def main() -> None:
    """Read, join by prompt, write, and show the counts."""
    options = _options()
    from ama.checkpoint.whole_file import write_whole
    from ama.console.table import print_table
    from ama.data.alpaca import KIND, REMEDY, REPO, find_local, find_on_hub, join_outputs
    from ama.data.lmflow import lmflow_text
    from ama.data.prepared import prepared_folder, sha256_of, stands

    if options.source is not None and not options.source.is_dir():
        raise UserError(f"no such folder: {options.source}; {REMEDY}")
    files = find_on_hub(options.revision) if options.source is None else find_local(options.source)
    origin = {"read": {name: sha256_of(path) for name, path in files.items()}}
    if stands(options.out, origin):
        sys.stderr.write(f"{options.out} is there already, made of the same files\n")
        return
    source = f"{REPO} at {options.revision}" if options.source is None else str(options.source)
    facts: dict[str, Any] = {"source": source}
    inputs = [] if options.source is None else [options.source]
    with prepared_folder(options.out, inputs, origin, facts, overwrite=options.overwrite) as staging:
        instances = join_outputs(files)
        write_whole(staging / FILE, lmflow_text(KIND, instances))
        facts["prompts"] = len(instances)
        facts["empty_outputs"] = {
            name: sum(not instance["outputs"][name].strip() for instance in instances) for name in files
        }
    rows = [(name, path.name, len(instances), facts["empty_outputs"][name]) for name, path in files.items()]
    print_table(f"written to {options.out / FILE}", ("outputs of", "file", "prompts", "empty"), rows)


def _options() -> Namespace:
    parser = Parser("prepare_alpaca_eval", DESCRIPTION)
    parser.add_argument("out", type=Path, help="folder to make")
    local = os.environ.get("ALPACA_EVAL_SOURCE")
    parser.add_argument(
        "--source",
        type=Path,
        default=Path(local) if local else None,
        help="local folder, in place of the hub; ALPACA_EVAL_SOURCE in the environment does the same",
    )
    parser.add_argument("--revision", default="main", help="branch, tag or commit on the hub")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the folder, once the new one is whole"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
