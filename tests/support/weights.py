"""How long the files of tests take, so that those that take longest start first."""

import json
from collections import Counter
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[1] / "weights.json"


def order(items: list[pytest.Item]) -> None:
    """Sort tests by the seconds of their file, the longest first; in a file their order stays.

    A file that was never measured counts as an average one.
    """
    weights: dict[str, float] = json.loads(_PATH.read_text())
    average = sum(weights.values()) / max(1, len(weights))
    items.sort(key=lambda item: -weights.get(_file(item.nodeid), average))


class Scale:
    """A plugin that weighs a run's files and writes them down."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a test's set-up, call or end."""
        self.seconds[_file(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write the file that `order` reads."""
        weights = {file: round(seconds, 1) for file, seconds in self.seconds.most_common()}
        _PATH.write_text(json.dumps(weights, indent=0) + "\n")


def _file(test: str) -> str:
    return test.split("::")[0]
