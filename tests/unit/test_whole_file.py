"""Files that appear when they are whole, also when several writers are at one of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ama.checkpoint.whole_file import write_whole


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "new" / "note.json"
    texts = [str(number) * 10_000 for number in range(10)]
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write_whole, path, [texts[turn % 10]]) for turn in range(200)]:
            done.result()
    assert path.read_text() in texts
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def failing() -> Iterator[str]:
        yield "new"
        raise ValueError("cut short")

    path = tmp_path / "note.json"
    write_whole(path, ["old"])
    with pytest.raises(ValueError, match="cut short"):
        write_whole(path, failing())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
