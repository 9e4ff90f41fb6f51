"""What an inspection of a data set has found, on stdout: counts, lengths, remarks, samples."""

import sys
from collections.abc import Callable, Sequence
from statistics import mean, median

from ama.console.table import print_table
from ama.data.inspection import Inspection


def show_inspection(
    inspection: Inspection, count: Callable[[list[str]], list[int]] | None, samples: int
) -> None:
    """Print a table of lengths, the remarks, and instances at equal distances, the first one first.

    Args:
        inspection: of a data set.
        count: gives the lengths of texts in tokens; None leaves them out.
        samples: how many instances to print.
    """
    rows = []
    for name, texts in inspection.texts.items():
        rows.append((name, "characters", *_summary([len(text) for text in texts])))
        if count is not None:
            rows.append((name, "tokens", *_summary(count(texts))))
    rows += [(name, "value", *_summary(values)) for name, values in inspection.numbers.items()]
    columns = ("field", "of", "number", "least", "median", "mean", "most", "sum")
    instances = len(next(iter(inspection.texts.values())))
    title = f"{inspection.path}: {inspection.kind}, {inspection.form}, {instances:,} instances"
    print_table(title, columns, rows)
    for remark, number in inspection.remarks.items():
        sys.stdout.write(f"remark: {remark} in {number} of {instances} instances\n")
    _show_samples(inspection, samples)


def _summary(values: Sequence[float]) -> tuple[object, ...]:
    summary = (min(values), median(values), mean(values), max(values), sum(values))
    return (
        len(values),
        *(f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" for value in summary),
    )


def _show_samples(inspection: Inspection, number: int) -> None:
    fields = inspection.texts
    total = len(next(iter(fields.values())))
    shown = min(number, total)
    for index in (place * total // shown for place in range(shown)):
        sys.stdout.write(f"--- instance {index}\n")
        for name, texts in fields.items():
            if len(texts) == total:
                sys.stdout.write(f"{name}: {texts[index]}\n")
        for name, values in inspection.numbers.items():
            sys.stdout.write(f"{name}: {values[index]}\n")
