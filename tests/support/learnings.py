"""Learnings of ratios in turn, for a launcher: python -m support.learnings FILE, of their arguments."""

import json
import sys
from pathlib import Path

from ama import optimize_masks
from ama.processes import free_trainer
from support.call import call

if __name__ == "__main__":
    for arguments in json.loads(Path(sys.argv[1]).read_text()):
        call(optimize_masks.main, *arguments)
        free_trainer()
