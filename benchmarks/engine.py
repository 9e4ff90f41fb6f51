"""Time the engine alone, open_pair to write_average, imports done; interpolate.py runs it."""

import os
import sys
import time
from pathlib import Path

from ama.averaging.plan import plan_merge
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.write import WriteOptions, write_average
from ama.checkpoint.resolve import open_pair
from ama.processes import MpiRanks

if __name__ == "__main__":
    before, after, out = sys.argv[1:]
    start = time.perf_counter()
    plan = plan_merge(*open_pair(before, after, (None, None)), Schedule(0.3))
    options = WriteOptions(max_shard_size=5 * 10**9, threads=len(os.sched_getaffinity(0)))
    write_average(plan, Path(out), options, MpiRanks(), lambda _: None)
    sys.stdout.write(f"{time.perf_counter() - start}\n")
