"""python -m ama.plan_experiment: the table, and what it refuses."""

import io
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from support.call import call, complaint

from ama.plan_experiment import main

SIZE = ("--params", "7.24e9", "--layers", "32", "--hidden", "4096", "--vocab", "32000", "--key_width", "1024")
SFT = (
    "sft=deepspeed --num_gpus 8 --module ama.train_sft --model m --data d --out o --bf16 --batch 16 "
    "--deepspeed ds_config_zero3.json"
)
MERGE = "merge=python -m ama.interpolate --before b --after a --out 'a|b'"


def _rows(text: str) -> dict[str, list[str]]:
    rows = [line.split() for line in text.splitlines() if line.startswith("  ") and line.strip()]
    return {row[0]: row[1:] for row in rows}


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stages").write_text(f"{MERGE}\n\n")
    call(main, *SIZE, "--stage", SFT, "--stages", tmp_path / "stages")
    rows = _rows(capsys.readouterr().out)
    assert rows["sft"][0] == "8"
    # States 14.5, activations of 2 x 2048 tokens 18.3, their logits 1.3, overhead 2.
    assert float(rows["sft"][1]) == 36
    assert rows["sft"][2:] == ["203", "14"]
    assert rows["merge"] == ["1", "-", "-", "14"]
    # While SFT runs, its checkpoints and its result; at the end two models.
    assert rows["largest,"][-2:] == ["217", "29"]


def test_stages_from_standard_input(capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(sys, "stdin", io.StringIO(f"{SFT}\n")):
        call(main, *SIZE, "--stages", "-")
    assert "sft" in _rows(capsys.readouterr().out)


def test_float32_checkpoints_are_twice_as_large(capsys: pytest.CaptureFixture[str]) -> None:
    call(main, *SIZE, "--dtype", "float32", "--stage", MERGE)
    assert _rows(capsys.readouterr().out)["merge"][-1] == "29"


def test_right_settings_without_stages_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call(main, *SIZE, "--ratios", "0", "0.2", "1", "--part_wise", "split0|10#20|0.4|0.3|0.2@0.3")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ratios", "0.1", "2"), "--ratios: ratio 2 lies outside [0, 1]"),
        (
            ("--part_wise", "split|10|0|0"),
            "--part_wise 'split|10|0|0': no ratio given",
        ),
        (
            ("--part_wise", "split|10|0|0@x"),
            "split|10|0|0@x: ratio 'x' is no number",
        ),
        (("--part_wise", "split|10|0@0"), "in split tag 'split|10|0': "),
        (("--part_wise", "split|31|0|0@0"), "--part_wise 'split|31|0|0@0': pivot 31 leaves no layer"),
        (("--stage", "sft"), "stage 'sft' is not NAME=COMMAND"),
        (("--stages", "gone"), "gone"),
        (("--params", "0"), "--params 0.0: give a number above 0"),
        (("--stage", f"{SFT} --batc 2"), "stage sft: there is no option --batc: did you mean --batch?"),
        (
            ("--stage", "merge=python -m ama.interpolate --out o"),
            "stage merge: --before, --after are missing",
        ),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert message in complaint(capsys, main, *SIZE, *arguments)
