"""Time the engine alone, open_pair to write_average, imports done; interpolate.py runs it."""

import sys
import time
from pathlib import Path

from ama.averaging.plan import plan_merge
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.stream import write_average
from ama.checkpoint.resolve import open_pair
from ama.processes import MpiRanks
from ama.settings.merging import MergeSettings

if __name__ == "__main__":
    before, after, out = sys.argv[1:]
    start = time.perf_counter()
    plan = plan_merge(*open_pair(before, after, (None, None)), Schedule(0.3))
    write_average(plan, Path(out), MergeSettings(), MpiRanks())
    sys.stdout.write(f"{time.perf_counter() - start}\n")
