"""Settings of the whole test run."""

import os
import shutil
import tempfile

import pytest

# Tiny matrices gain nothing from OpenMP's threads, which spin against each other where cores are busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_EXTENSIONS = "TORCH_EXTENSIONS_DIR"


def pytest_configure(config: pytest.Config) -> None:
    """Have DeepSpeed compile its operations once for all processes of the run."""
    if _EXTENSIONS not in os.environ:
        folder = tempfile.mkdtemp(prefix="ama_tests_")
        os.environ[_EXTENSIONS] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
