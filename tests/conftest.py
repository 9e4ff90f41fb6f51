"""Settings of the whole test run."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import compiled, warm, weights
from support.shared import share

# Tiny matrices gain nothing from OpenMP's threads, which spin against each other where cores are busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_EXTENSIONS = "TORCH_EXTENSIONS_DIR"
_VARIABLES = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let weights.json be measured anew."""
    parser.addoption("--weigh", action="store_true", help="write the seconds of each file to weights.json")


def pytest_configure(config: pytest.Config) -> None:
    """Give all processes of the run one folder, in which DeepSpeed compiles its operations once for all."""
    if not _is_worker(config):
        _share(config)
    config.stash[_VARIABLES] = dict(os.environ)


def _share(config: pytest.Config) -> None:
    """Make the run's folder, and what all its processes find there."""
    folder = Path(tempfile.mkdtemp(prefix="ama_tests_"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    share(folder)
    warm.prepare()
    if _EXTENSIONS not in os.environ:
        extensions = folder / "extensions"
        os.environ[_EXTENSIONS] = str(extensions)
        if hasattr(config, "cache"):
            kept = config.cache.mkdir("deepspeed")
            compiled.take(kept, extensions)
            config.add_cleanup(lambda: compiled.keep(extensions, kept))  # before the folder is removed
    # pytest-xdist would start the files of most tests first.
    config.option.loadscopereorder = False
    if config.getoption("--weigh"):
        config.pluginmanager.register(weights.Scale())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Among several processes, start with what takes longest."""
    if _is_worker(config):
        weights.order(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Undo what libraries set as they are imported: the fork server would leave commands cold."""
    _restore(session.config.stash[_VARIABLES])


@pytest.fixture(autouse=True)
def _variables() -> Iterator[None]:
    """Undo what a test, or a library that it imports, has set."""
    before = dict(os.environ)
    yield
    _restore(before)


def _restore(variables: dict[str, str]) -> None:
    for name in os.environ.keys() - variables.keys() - {"PYTEST_CURRENT_TEST"}:
        del os.environ[name]
    os.environ.update(variables)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
