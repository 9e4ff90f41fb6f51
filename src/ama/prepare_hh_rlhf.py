"""Turn Anthropic's HH-RLHF into data for SFT, reward models and RLHF."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.console import Parser, positive_int, run
from ama.errors import UserError

if TYPE_CHECKING:
    from ama.data.hh_part import CountTokens

DESCRIPTION = """Make LMFlow JSON, dialogues as '###Human: ...###Assistant: ...', of Anthropic's HH-RLHF.

  sft/             preferred dialogues of the training rows
  rm/train/        pairs of the training rows, and of the test rows that are not held out
  rm/held_out/     pairs of the other test rows
  rlhf/rlhf_prompt/  training prompts, each once, up to --max_prompt_tokens
  rlhf/rlhf_eval/    test prompts, in two halves
  manifest.json    what was read and written, with checksums; what was dropped and why

Test rows whose prompt occurs in training are dropped. A run that was cut short goes on when started again.
Example: python -m ama.prepare_hh_rlhf data/hh_rlhf --source ~/hh-rlhf
"""


def main() -> None:
    """Read, share out, write, and show the counts."""
    options = _options()
    from ama.data.anthropic import REPO
    from ama.data.hh_folder import outputs, write_outputs
    from ama.data.hh_part import drop_parts, make_part, work_of
    from ama.data.hh_source import find_files
    from ama.data.hh_split import Leak, SplitSettings, split_rows
    from ama.data.hh_summary import counts, show
    from ama.data.prepared import prepared_folder, sha256_of, stands

    settings = SplitSettings(
        options.train_share,
        options.held_out_share,
        Leak(options.leak),
        options.max_prompt_tokens,
        options.seed,
    )
    tokenizer, count_tokens = _tokens(options.tokenizer)
    files, notes = find_files(options.source, options.revision, options.subsets)
    origin = {
        "settings": {**vars(settings), "tokenizer": tokenizer},
        "read": {f"{subset}/{split}.jsonl.gz": sha256_of(path) for (subset, split), path in files.items()},
    }
    work = work_of(options.out)
    if stands(options.out, origin):
        sys.stderr.write(f"{options.out} is there already, made of the same files in the same way\n")
        drop_parts(work, origin["read"])
        return
    source = f"{REPO} at {options.revision}" if options.source is None else str(options.source)
    facts: dict[str, Any] = {"source": source}
    inputs = [] if options.source is None else [options.source]
    with prepared_folder(options.out, inputs, origin, facts, overwrite=options.overwrite) as staging:
        try:
            parts = {
                key: make_part(path, f"{key[0]}/{key[1]}.jsonl.gz", work, tokenizer, count_tokens)
                for key, path in files.items()
            }
            rows = split_rows(parts, settings)
            written = outputs(rows)
            write_outputs(staging, written)
        except UserError:
            # A wrong input leaves no trace; only a run that was cut short is to go on.
            drop_parts(work, origin["read"])
            raise
        facts |= counts(list(parts.values()), rows, written, notes)
    drop_parts(work, origin["read"])
    show(options.out, facts)


def _tokens(folder: Path | None) -> tuple[str, CountTokens]:
    """Return how tokens are counted, by name and as a function."""
    if folder is None:
        from ama.data.hh_part import CHARACTERS_PER_TOKEN, estimate_tokens

        return f"characters / {CHARACTERS_PER_TOKEN}, rounded up", estimate_tokens
    from ama.models.token_counts import token_counter

    return token_counter(folder)


def _options() -> Namespace:
    from ama.data.anthropic import HELPFUL, REPO, REVISION, SUBSETS
    from ama.data.hh_part import CHARACTERS_PER_TOKEN

    parser = Parser("prepare_hh_rlhf", DESCRIPTION)
    parser.add_argument("out", type=Path, help="folder to make")
    local = os.environ.get("HH_RLHF_SOURCE")
    parser.add_argument(
        "--source",
        type=Path,
        default=Path(local) if local else None,
        help=f"local folder with SUBSET/{{train,test}}.jsonl.gz, in place of {REPO} on the hub; "
        "HH_RLHF_SOURCE in the environment does the same",
    )
    parser.add_argument("--revision", default=REVISION, help=f"branch, tag or commit of {REPO}")
    parser.add_argument(
        "--subsets",
        nargs="+",
        metavar="SUBSET",
        help=f"of {', '.join(SUBSETS)}; without it {', '.join(HELPFUL)}, as far as they are there",
    )
    parser.add_argument(
        "--train_share",
        type=float,
        help="a subset that has only one of its two files is split: this share of its openings trains",
    )
    parser.add_argument(
        "--held_out_share",
        type=float,
        default=0.2,
        help="share of the test openings that goes to rm/held_out in place of rm/train",
    )
    parser.add_argument(
        "--leak",
        choices=("prompt", "opening"),
        default="prompt",
        help="a test row is dropped if a training row has the same whole prompt, or the same first turn",
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FOLDER",
        help="model folder whose tokenizer measures prompts; without it a token is "
        f"{CHARACTERS_PER_TOKEN} characters",
    )
    parser.add_argument(
        "--max_prompt_tokens", type=positive_int, default=256, help="longest prompt for rlhf/"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the shares and the order of test prompts")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the folder, once the new one is whole"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
