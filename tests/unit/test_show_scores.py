"""python -m ama.show_scores: the numbers of the file, by model and group, with their errors."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.call import call, complaint

from ama.evaluation.scores import Score, append_scores
from ama.show_scores import main

SCORE = Score(
    model="models/sft",
    schedule="",
    group="common_sense",
    task="piqa",
    metric="acc",
    value=0.66,
    stderr=0.03,
    n=200,
    seed=None,
    backend="lm_eval",
    backend_version="0.4.13",
    settings={"limit": 200, "weights": "a", "ratio": None},
    date="2026-01-01T00:00:00+00:00",
    commit="",
)
TAG = "split|10#20|0.4|0.3|0.2"


def _row(**changes: Any) -> Score:
    return replace(SCORE, **changes)


def _file(folder: Path, *rows: Score) -> Path:
    append_scores(folder / "scores.jsonl", rows)
    return folder / "scores.jsonl"


def _lines(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str) -> list[str]:
    call(main, path, *arguments)
    return [line for line in capsys.readouterr().out.split("\n") if line]


def test_a_table_for_each_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _file(
        tmp_path,
        SCORE,
        _row(task="boolq", value=0.5, stderr=0.04),
        _row(metric="acc_norm", value=0.7),
        _row(model="a + b", schedule=TAG, value=0.6, settings={"limit": 200, "weights": "b", "ratio": 0.3}),
        _row(group="translation", task="wmt14-fr-en", metric="bleu", value=36.5, stderr=None),
        _row(value=0.62, settings={"limit": 200, "weights": "c", "ratio": None}),
    )
    assert _lines(capsys, path) == [
        "## common_sense",
        "| model | schedule | piqa acc (n = 200) | boolq acc (n = 200) | mean |",
        "| --- | --- | ---: | ---: | ---: |",
        # The later of two, and 0.5 * sqrt(0.03² + 0.04²).
        "| models/sft |  | 0.6200 ± 0.0300 | 0.5000 ± 0.0400 | 0.5600 ± 0.0250 |",
        r"| a + b | split\|10#20\|0.4\|0.3\|0.2 | 0.6000 ± 0.0300 |  |  |",
        "## translation",
        "| model | schedule | wmt14-fr-en bleu (n = 200) |",
        "| --- | --- | ---: |",
        "| models/sft |  | 36.5000 |",
    ]
    assert _lines(capsys, path, "--groups", "translation")[0] == "## translation"
    assert "piqa acc_norm (n = 200)" in _lines(capsys, path, "--all")[1]


def test_what_was_measured_in_different_ways_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = _row(model="b", n=4, settings={"limit": 4, "weights": "b", "ratio": None})
    lines = _lines(capsys, _file(tmp_path, SCORE, other))
    assert "piqa acc (n = 4 to 200)" in lines[1]
    assert lines[-1] == "piqa acc can't be compared: limit is 200 and 4."


def test_comma_separated_values_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _file(tmp_path, _row(value=1 / 3, settings={"ratio": 0.25}), _row(metric="acc_norm"))
    (row,) = csv.DictReader(io.StringIO("\n".join(_lines(capsys, path, "--csv"))))
    assert (float(row["value"]), row["ratio"], row["group"], row["n"]) == (
        1 / 3,
        "0.25",
        "common_sense",
        "200",
    )
    assert len(_lines(capsys, path, "--csv", "--all")) == 3


def test_mistakes_get_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.jsonl: no such file" in complaint(capsys, main, tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    assert "holds no score: measure some" in complaint(capsys, main, tmp_path / "empty.jsonl")
    path = _file(tmp_path, SCORE)
    line = complaint(capsys, main, path, "--groups", "reading")
    assert line == "error: --groups reading: not among the measured groups: common_sense"
