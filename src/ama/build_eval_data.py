"""Build the folder of evaluation sets from which lm-eval's stock tasks and OpenCompass read offline."""

from ama.console import run
from ama.console.command import Command
from ama.data.eval_sets.folder import build_eval_folder
from ama.settings.data import EvalFolderSettings

COMMAND = Command(
    "build_eval_data",
    """Bring evaluation sets into the shape of their repositories on the hub.

In the folder that is made, lm-eval's stock tasks run without internet; OpenCompass's drop_gen does with
COMPASS_DATA_CACHE set to it. A local source has a folder for each set, with SPLIT.jsonl or SPLIT.parquet:
  ai2_arc/ARC-Easy  ai2_arc/ARC-Challenge  piqa  race_eleutherai/high  super_glue_boolq  drop  squad_v2
  wmt14/fr-en
Example: python -m ama.build_eval_data --source my_copies --out data/eval
""",
    EvalFolderSettings,
)


def main() -> None:
    """Find the sets, write them, and show the counts."""
    build_eval_folder(COMMAND.parse()[EvalFolderSettings])


if __name__ == "__main__":
    run(main)
