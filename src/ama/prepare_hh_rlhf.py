"""Turn Anthropic's HH-RLHF into data for SFT, reward models and RLHF."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.console import Parser, positive_int, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ama.data.hh_folder import Output
    from ama.data.hh_part import CountTokens, Part
    from ama.data.hh_split import SplitRows

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
    from ama.data.hh_part import make_part
    from ama.data.hh_source import find_files
    from ama.data.hh_split import Leak, SplitSettings, split_rows
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
    work = options.out.with_name(f"{options.out.name}.work")
    if stands(options.out, origin):
        sys.stderr.write(f"{options.out} is there already, made of the same files in the same way\n")
        shutil.rmtree(work, ignore_errors=True)
        return
    source = f"{REPO} at {options.revision}" if options.source is None else str(options.source)
    facts: dict[str, Any] = {"source": source}
    inputs = [] if options.source is None else [options.source]
    with prepared_folder(options.out, inputs, origin, facts, overwrite=options.overwrite) as staging:
        parts = {
            key: make_part(path, f"{key[0]}/{key[1]}.jsonl.gz", work, tokenizer, count_tokens)
            for key, path in files.items()
        }
        rows = split_rows(parts, settings)
        written = outputs(rows)
        write_outputs(staging, written)
        notes += rows.notes
        facts |= _counts(list(parts.values()), rows, written, notes)
    shutil.rmtree(work, ignore_errors=True)
    _show(options.out, facts)


def _tokens(folder: Path | None) -> tuple[str, CountTokens]:
    """Return how tokens are counted, by name and as a function."""
    if folder is None:
        from ama.data.hh_part import CHARACTERS_PER_TOKEN, estimate_tokens

        return f"characters / {CHARACTERS_PER_TOKEN}, rounded up", estimate_tokens
    from ama.models.token_counts import token_counter

    return token_counter(folder)


def _counts(
    parts: Sequence[Part], rows: SplitRows, written: Sequence[Output], notes: Sequence[str]
) -> dict[str, Any]:
    """Return what the manifest and the summary say."""
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
        "notes": list(notes),
    }


def _show(out: Path, facts: Mapping[str, Any]) -> None:
    from ama.console.table import print_table

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
