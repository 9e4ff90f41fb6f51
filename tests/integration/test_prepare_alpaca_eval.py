"""python -m ama.prepare_alpaca_eval: prompts joined with the outputs of each model."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.call import call, complaint
from support.hh import instances, snapshot
from support.hub import serving

from ama.errors import UserError
from ama.prepare_alpaca_eval import main

PROMPTS = ("Name a colour.", "Count to three.\n", "Why?")


@pytest.fixture(autouse=True)
def _no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALPACA_EVAL_SOURCE", raising=False)


def outputs(model: str, prompts: Sequence[str] = PROMPTS) -> list[dict[str, str]]:
    return [
        {"instruction": prompt, "output": f"{model} {number}", "generator": model, "dataset": "made_up"}
        for number, prompt in enumerate(prompts)
    ]


def make_source(folder: Path) -> Path:
    """Write the layout of a local copy; a model's file may have another order and more prompts."""
    (folder / "model_outputs").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in outputs("davinci"))
    (folder / "alpaca_eval.jsonl").write_text(lines)
    more = [*reversed(outputs("gpt4")), {"instruction": "Another", "output": "one"}]
    (folder / "model_outputs" / "gpt4_1106_preview.json").write_text(json.dumps(more))
    return folder


def prepare(source: Path, out: Path, *options: str) -> Path:
    call(main, out, "--source", source, *options)
    return out


def test_outputs_are_joined_by_prompt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = prepare(make_source(tmp_path / "source"), tmp_path / "out")
    found = instances(out / "alpaca_eval.json")
    assert [instance["instruction"] for instance in found] == list(PROMPTS)
    assert found[1]["outputs"] == {"reference": "davinci 1", "gpt4_1106_preview": "gpt4 1"}
    assert found[1]["dataset"] == "made_up"
    assert "gpt4_1106_preview.json" in capsys.readouterr().out


def test_the_hubs_two_files_give_the_same(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "alpaca_eval.json").write_text(json.dumps(outputs("davinci")))
    (repo / "alpaca_eval_gpt4_baseline.json").write_text(json.dumps(outputs("gpt4")))
    with serving() as hub:
        hub.push("datasets/tatsu-lab/alpaca_eval", repo)
        variables = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
        variables["HF_HUB_OFFLINE"] = "0"
        command = [sys.executable, "-m", "ama.prepare_alpaca_eval", str(tmp_path / "fetched")]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    local = prepare(make_source(tmp_path / "source"), tmp_path / "local")
    assert instances(tmp_path / "fetched" / "alpaca_eval.json") == instances(local / "alpaca_eval.json")


def test_done_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_source(tmp_path / "source"), tmp_path / "out"
    first = snapshot(prepare(source, out))
    prepare(source, out)
    assert "is there already" in capsys.readouterr().err
    (source / "model_outputs" / "llama.json").write_text(json.dumps(outputs("llama")))
    with pytest.raises(UserError, match="exists already"):
        prepare(source, out)
    assert snapshot(out) == first
    prepare(source, out, "--overwrite")
    assert instances(out / "alpaca_eval.json")[0]["outputs"]["llama"] == "llama 0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (outputs("x", PROMPTS[:2]), "x.json has no output for 1 of the prompts, the first 'Why?'"),
        (outputs("x", PROMPTS * 2), "row 3: its instruction has come before"),
        ([{"instruction": "a"}], "row 0: needs text under 'output'"),
        (["a"], "row 0: needs text under 'instruction'"),
        ({"a": 1}, "needs a list of outputs"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, said: str
) -> None:
    source = make_source(tmp_path / "source")
    (source / "model_outputs" / "x.json").write_text(json.dumps(content))
    assert said in complaint(capsys, main, tmp_path / "out", "--source", source)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_without_a_source_one_line_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = complaint(capsys, main, tmp_path / "out", "--source", tmp_path)
    assert "has no alpaca_eval.jsonl" in line
    assert "set ALPACA_EVAL_SOURCE=DIR" in line
