"""Score rows as Markdown tables, one for each group, or as comma-separated values."""

import csv
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ama.errors import UserError
from ama.evaluation.scores import Score, number_text, read_scores
from ama.report.markdown import markdown_row
from ama.settings.report import ScoresSettings

# What the paper reports of a group; of the other groups every metric is shown.
_HEADLINES = {
    "common_sense": ("acc",),
    "reading": ("f1", "exact", "accuracy", "em"),
    "translation": ("bleu",),
}
# The paper averages over the tasks of this group.
_AVERAGED = "common_sense"
_OWN = ("weights", "ratio")
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

Model = tuple[str, str]
Column = tuple[str, str]


@dataclass(frozen=True)
class GroupTable:
    """The latest scores of one group.

    Attributes:
        group: its name.
        models: model and schedule of each row, in the order in which they were first measured.
        columns: task and metric of each column, in that order too.
        scores: the cells that are there.
    """

    group: str
    models: tuple[Model, ...]
    columns: tuple[Column, ...]
    scores: Mapping[tuple[Model, Column], Score]

    def column(self, column: Column) -> list[Score]:
        """Return the scores of a column."""
        return [self.scores[model, column] for model in self.models if (model, column) in self.scores]

    def mean(self, model: Model) -> tuple[float, float | None] | None:
        """Return the mean over a model's columns and its standard error, None where a cell is missing."""
        row = [self.scores.get((model, column)) for column in self.columns]
        found = [score for score in row if score is not None]
        if len(found) < len(row):
            return None
        errors = [score.stderr for score in found if score.stderr is not None]
        known = len(errors) == len(found)
        stderr = math.sqrt(math.fsum(error**2 for error in errors)) / len(found) if known else None
        return math.fsum(score.value for score in found) / len(found), stderr


def show_scores(settings: ScoresSettings) -> None:
    """Print a file of scores: a table for each group, or a row for each score.

    Raises:
        UserError: there is no such file, score or group.
    """
    if not settings.scores.is_file():
        raise UserError(f"{settings.scores}: no such file")
    scores = latest(read_scores(settings.scores), every_metric=settings.all)
    known = tuple(dict.fromkeys(score.group for score in scores))
    for group in settings.groups:
        if group not in known:
            raise UserError(f"--groups {group}: not among the measured groups: {', '.join(known) or 'none'}")
    shown = [score for score in scores if score.group in (settings.groups or known)]
    if not shown:
        raise UserError(f"{settings.scores} holds no score: measure some with python -m ama.evaluate_harness")
    if settings.csv:
        write_csv(shown)
    else:
        print_markdown(group_tables(shown))


def latest(scores: Sequence[Score], *, every_metric: bool) -> list[Score]:
    """Return the scores that count: of two of one model, schedule, task and metric the later one.

    Args:
        scores: all rows, as the file has them.
        every_metric: keep also those that the paper does not report.
    """
    found: dict[tuple[str, ...], Score] = {}
    for score in scores:
        if every_metric or score.metric in _HEADLINES.get(score.group, (score.metric,)):
            found[score.group, score.model, score.schedule, score.task, score.metric] = score
    return list(found.values())


def group_tables(scores: Sequence[Score]) -> list[GroupTable]:
    """Arrange scores, at most one of a model, schedule, task and metric, by group."""
    tables = []
    for group in dict.fromkeys(score.group for score in scores):
        cells = {
            ((score.model, score.schedule), (score.task, score.metric)): score
            for score in scores
            if score.group == group
        }
        models, columns = (tuple(dict.fromkeys(key[part] for key in cells)) for part in (0, 1))
        tables.append(GroupTable(group, models, columns, cells))
    return tables


def print_markdown(tables: Sequence[GroupTable]) -> None:
    """Write the tables on stdout, each followed by what keeps its numbers from being compared."""
    for table in tables:
        averaged = table.group == _AVERAGED and len(table.columns) > 1
        names = [f"{task} {metric} {_counts(table, (task, metric))}" for task, metric in table.columns]
        header = ["model", "schedule", *names, *(["mean"] if averaged else [])]
        lines = [
            f"## {table.group}",
            "",
            markdown_row(header),
            markdown_row(["---"] * 2 + ["---:"] * (len(header) - 2)),
        ]
        for model in table.models:
            cells = [_cell(table.scores.get((model, column))) for column in table.columns]
            mean = table.mean(model) if averaged else None
            cells += ["" if mean is None else number_text(*mean)] if averaged else []
            lines.append(markdown_row([*model, *cells]))
        notes = [note for column in table.columns for note in _differences(table, column)]
        sys.stdout.write("\n".join([*lines, "", *(f"{note}\n" for note in notes)]) + "\n")


def _cell(score: Score | None) -> str:
    return "" if score is None else number_text(score.value, score.stderr)


def _counts(table: GroupTable, column: Column) -> str:
    counts = sorted({score.n for score in table.column(column)})
    return f"(n = {counts[0]}{'' if len(counts) == 1 else f' to {counts[-1]}'})"


def _differences(table: GroupTable, column: Column) -> list[str]:
    """Return a sentence for each setting that is not the same in all rows of a column."""
    rows = table.column(column)
    names = sorted({name for score in rows for name in score.settings} - set(_OWN))
    notes = []
    for name in names:
        values = sorted({str(score.settings.get(name)) for score in rows})
        if len(values) > 1:
            notes.append(f"{column[0]} {column[1]} can't be compared: {name} is {' and '.join(values)}.")
    return notes


def write_csv(scores: Iterable[Score]) -> None:
    """Write a row for each score on stdout, in full precision; `ratio` is empty for what is no average."""
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    for score in scores:
        values = {**vars(score), "ratio": score.settings.get("ratio")}
        writer.writerow([values[name] for name in _COLUMNS])
