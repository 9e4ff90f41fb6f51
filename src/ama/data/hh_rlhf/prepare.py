"""HH-RLHF from its files to the prepared folder: found, converted, split, written."""

import sys
from typing import Any

from ama.data.hh_rlhf.folder import outputs, write_outputs
from ama.data.hh_rlhf.part import CountTokens, drop_parts, estimate_tokens, make_part, work_of
from ama.data.hh_rlhf.source import find_files
from ama.data.hh_rlhf.split import split_rows
from ama.data.hh_rlhf.summary import counts, show
from ama.data.prepared import prepared_folder, sha256_of, stands
from ama.errors import UserError
from ama.settings.data import CHARACTERS_PER_TOKEN, HH_RLHF, HHSettings, HHSplitSettings

ESTIMATE: tuple[str, CountTokens] = f"characters / {CHARACTERS_PER_TOKEN}, rounded up", estimate_tokens


def prepare_hh_rlhf(
    settings: HHSettings, split: HHSplitSettings, counter: tuple[str, CountTokens] = ESTIMATE
) -> None:
    """Write the folder of HH-RLHF, unless it holds the same already, and print the counts.

    Args:
        settings: where from and where to.
        split: how its rows are split.
        counter: how the tokens of prompts are counted, by name and as a function.

    Raises:
        UserError: files that are missing or can't be read, or a target that may not be replaced.
    """
    tokenizer, count_tokens = counter
    files, notes = find_files(settings)
    origin = {
        "settings": {**vars(split), "tokenizer": tokenizer},
        "read": {f"{subset}/{part}.jsonl.gz": sha256_of(path) for (subset, part), path in files.items()},
    }
    work = work_of(settings.out)
    if stands(settings.out, origin):
        sys.stderr.write(f"{settings.out} is there already, made of the same files in the same way\n")
        drop_parts(work, origin["read"])
        return
    source = f"{HH_RLHF} at {settings.revision}" if settings.source is None else str(settings.source)
    facts: dict[str, Any] = {"source": source}
    inputs = [] if settings.source is None else [settings.source]
    with prepared_folder(settings.out, inputs, origin, facts, overwrite=settings.overwrite) as staging:
        try:
            parts = {
                key: make_part(path, f"{key[0]}/{key[1]}.jsonl.gz", work, tokenizer, count_tokens)
                for key, path in files.items()
            }
            rows = split_rows(parts, split)
            written = outputs(rows)
            write_outputs(staging, written)
        except UserError:
            # A wrong input leaves no trace; only a run that was cut short is to go on.
            drop_parts(work, origin["read"])
            raise
        facts |= counts(list(parts.values()), rows, written, notes)
    drop_parts(work, origin["read"])
    show(settings.out, facts)
