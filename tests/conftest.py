"""Settings of the whole test run."""

import os

# Tiny matrices gain nothing from OpenMP's threads, which spin against each other where cores are busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
