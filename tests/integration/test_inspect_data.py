"""python -m ama.inspect_data: what it prints, and every example of data/README.md through it."""

import json
import re
from pathlib import Path

import pytest
from support.call import call, complaint
from support.learning import make_learner

from ama.inspect_data import main

README = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(json|jsonl)\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize(("suffix", "content"), EXAMPLES)
def test_examples_of_the_readme_are_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, content: str
) -> None:
    path = tmp_path / f"example.{suffix}"
    path.write_text(content)
    call(main, path)
    assert "instances" in capsys.readouterr().out


def test_the_readme_has_an_example_of_every_type() -> None:
    from ama.data.lmflow import KINDS

    assert {json.loads(content)["type"] for suffix, content in EXAMPLES if suffix == "json"} == KINDS.keys()
    assert sum("reward" in content for _, content in EXAMPLES) == 1


def test_counts_lengths_and_samples_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    instances = [{"text": f"the model {'and ' * number}RLHF", "reward": number / 2} for number in range(5)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"type": "text_only", "instances": instances}))
    model = make_learner(tmp_path / "model")
    capsys.readouterr()
    call(main, path, "--tokenizer", model, "--samples", "2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: text_only, plain text, 5 instances"
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in lines if len(line.split()) == 8}
    assert rows[("text", "characters")] == ["5", "14", "22", "22", "30", "110"]
    assert rows[("text", "tokens")] == ["5", "3", "5", "5", "7", "25"]
    assert rows[("reward", "value")] == ["5", "0", "1", "1", "2", "5"]
    assert [line for line in lines if line.startswith("--- ")] == ["--- instance 0", "--- instance 2"]
    assert "text: the model and and RLHF" in lines


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "a.json: not JSON at character 1"),
        ('{"type": "image", "instances": []}', "a.json: type 'image' is not one of text_only, text2text"),
        ('{"type": "text_only", "instances": [{"text": " "}]}', "a.json: instance 0: 'text' is blank"),
        ('{"type": "text_only", "instances": []}', "a.json is empty"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    assert said in complaint(capsys, main, path)
    path.unlink()
    assert "a.json is missing" in complaint(capsys, main, path)
