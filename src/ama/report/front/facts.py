"""Where the numbers of a front come from, for its report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import ama
from ama.report.front.data import SweepData
from ama.report.front.model import FrontSettings


def facts_of(sweeps: Sequence[SweepData], settings: FrontSettings) -> list[tuple[str, str]]:
    """Return labels and values: models, what was measured and by what, and how the report was made."""
    facts = []
    for data in sweeps:
        place = f" ({data.folder})" if len(sweeps) > 1 else ""
        facts += [(f"before{place}", data.sweep.before), (f"after{place}", data.sweep.after)]
    rows = [row for data in sweeps for row in data.rows]
    for measure in sweeps[0].sweep.measures:
        of_measure = [row for row in rows if (row.task, row.metric) == (measure.task, measure.metric)]
        counts = {row.n for row in of_measure}
        count = " to ".join(map(str, sorted({min(counts), max(counts)}))) if counts else "none"
        backends = sorted({f"{row.backend} {row.backend_version}" for row in of_measure})
        seeds = sorted({str(row.seed) for row in of_measure if row.seed is not None})
        seed = f", seed {', '.join(seeds)}" if seeds else ""
        how = "".join(f", {name} {value}" for name, value in measure.settings.items())
        text = f"n = {count}, by {', '.join(backends) or '-'}{seed}{how}"
        facts.append((f"{measure.group} {measure.name}", text))
    dates = sorted(row.date for row in rows)
    facts.append(("sweep", ", ".join(str(data.folder) for data in sweeps)))
    facts.append(("measured", f"{dates[0]} to {dates[-1]}" if dates else "nothing"))
    facts.append(("commit of the measurements", ", ".join(sorted({row.commit or "unknown" for row in rows}))))
    facts.append(("bootstrap", f"{settings.draws} draws, seed {settings.seed}"))
    facts.append(("report", f"ama {ama.__version__}, {shlex.join(sys.orig_argv)}"))
    return facts
