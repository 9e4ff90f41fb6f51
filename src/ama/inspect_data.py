"""Check data files of the project, and show counts, lengths and samples."""

from ama.console import run
from ama.console.command import Command
from ama.data.eval_sets.inspection import inspect_any
from ama.data.inspection import data_sets
from ama.data.inspection_table import show_inspection
from ama.settings.data import InspectionSettings

COMMAND = Command(
    "inspect_data",
    """Check a data file, or every data set in a folder; show counts, lengths and samples.

It reads LMFlow JSON (.json), JSON lines (.jsonl) and plain text (.txt), which data/README.md describes, and
what ama.build_eval_data writes. The first mistake ends it with one line that names file, instance and
field, and exit status 2.
Example: python -m ama.inspect_data data/hh_rlhf --tokenizer models/sft
""",
    InspectionSettings,
)


def main() -> None:
    """Inspect each data set and print what it holds."""
    settings = COMMAND.parse()[InspectionSettings]
    found = [path for source in settings.paths for path in data_sets(source)]
    count = None
    if settings.tokenizer is not None:
        from ama.models.loading import token_counter

        _, count = token_counter(settings.tokenizer)
    for path in found:
        show_inspection(inspect_any(path), count, settings.samples)


if __name__ == "__main__":
    run(main)
