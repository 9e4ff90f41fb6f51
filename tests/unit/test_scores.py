"""The file of scores: rows survive a round trip, half a row is never left, a wrong row is named."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import patch

import pytest

from ama.errors import UserError
from ama.evaluation.scores import Score, append_score, append_scores, read_scores

SCORE = Score(
    model="output/m0",
    schedule="split|10#20|0.4|0.3|0.2",
    group="loss",
    task="wiki \u2028 ü",
    metric="loss",
    value=3.25,
    stderr=None,
    n=7,
    seed=None,
    backend="transformers",
    backend_version="5",
    settings={"block_size": 512, "ratio": 0.3},
    date="2026-01-01T00:00:00+00:00",
    commit="",
)


def test_rows_survive_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "scores.jsonl"
    second = replace(SCORE, metric="perplexity", stderr=0.5, value=1e-300)
    append_score(path, SCORE)
    append_score(path, second)
    assert read_scores(path) == [SCORE, second]


def test_a_missing_file_has_no_scores(tmp_path: Path) -> None:
    assert read_scores(tmp_path / "scores.jsonl") == []


def test_settings_tell_measurements_apart_whatever_their_order() -> None:
    turned = replace(SCORE, settings={"ratio": 0.3, "block_size": 512})
    assert turned.key == SCORE.key
    assert replace(SCORE, settings={"ratio": 0.3, "block_size": 256}).key != SCORE.key


def test_two_processes_appending_leave_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    code = (
        "import json, sys; from pathlib import Path; from ama.evaluation.scores import Score, append_score\n"
        "row = json.loads(sys.argv[2])\n"
        "for number in range(300):\n"
        "    append_score(Path(sys.argv[1]), Score(**{**row, 'n': number, 'task': 'x' * (number * 37)}))\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, path, json.dumps({**asdict(SCORE), "model": name})])
        for name in ("one", "two")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    scores = read_scores(path)
    for name in ("one", "two"):
        assert [score.n for score in scores if score.model == name] == list(range(300))


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    append_score(path, SCORE)
    whole = path.read_bytes()
    write = os.write
    with (
        patch("os.write", lambda descriptor, data: write(descriptor, data[: len(data) // 2])),
        pytest.raises(OSError, match="wrote"),
    ):
        append_score(path, SCORE)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": "3"}, "value is '3', not int or float"),
        ({"value": True}, "value is True"),
        ({"value": float("nan")}, "not finite"),
        ({"stderr": float("inf")}, "not finite"),
        ({"n": 1.5}, "n is 1.5, not int"),
        ({"settings": []}, "settings is"),
        ({"seed": "0"}, "seed is '0', not int or null"),
        ({"extra": 1}, "missing or unknown: extra"),
    ],
)
def test_a_wrong_row_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], said: str
) -> None:
    path = tmp_path / "scores.jsonl"
    append_score(path, SCORE)
    with path.open("a") as file:
        file.write(json.dumps({**asdict(SCORE), **change}) + "\n")
    append_score(path, SCORE)
    assert read_scores(path) == [SCORE, SCORE]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {path}: line 2: ")
    assert said in line


@pytest.mark.parametrize("line", ['{"model": ', '{"mo', "\udcff", '{"model": "a"}', "[" * 100000])
def test_a_line_that_is_no_row_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    path = tmp_path / "scores.jsonl"
    append_score(path, SCORE)
    with path.open("a", errors="surrogateescape") as file:
        file.write(line + "\n")
    assert read_scores(path) == [SCORE]
    assert f"{path}: line 2: not" in capsys.readouterr().err


@pytest.mark.parametrize("lines", [0, 1])
def test_a_line_cut_by_a_crash_does_not_swallow_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: int
) -> None:
    path = tmp_path / "scores.jsonl"
    append_scores(path, [SCORE] * (lines + 1))
    whole = path.read_bytes()
    for size in range(len(whole) - 2, len(whole) * lines // (lines + 1), -37):
        path.write_bytes(whole[:size])
        append_score(path, SCORE)
        assert read_scores(path) == [SCORE] * (lines + 1), size
        assert f"line {lines + 1}: not JSON" in capsys.readouterr().err


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    for text in ("A text.", '{"text": "a"}\n', "[]\n{}\n"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"line 1: not .*; give a file of scores, or a new one"):
            read_scores(path)
