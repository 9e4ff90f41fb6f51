"""Score rows as comma-separated values."""

import csv
import sys
from collections.abc import Iterable

from ama.evaluation.scores import Score

_COLUMNS = (
    "group",
    "model",
    "schedule",
    "ratio",
    "task",
    "metric",
    "value",
    "stderr",
    "n",
    "seed",
    "backend",
)


def write_csv(scores: Iterable[Score]) -> None:
    """Write a row for each score on stdout, in full precision; `ratio` is empty for what is no average."""
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    for score in scores:
        values = {**vars(score), "ratio": score.settings.get("ratio")}
        writer.writerow([values[name] for name in _COLUMNS])
