"""Inspecting data: what is told of a good file, and what is said of a bad one."""

import json
from pathlib import Path
from typing import Any

import pytest

from ama.data.inspection import Form, data_sets, inspect
from ama.errors import UserError

PROMPT = "###Human: Hi###Assistant:"
DIALOGUE = f"{PROMPT} Hello."
PAIR = {"prompt": PROMPT, "chosen": " a", "rejected": " b"}


def _write(path: Path, kind: str, *instances: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": kind, "instances": instances}))
    return path


@pytest.mark.parametrize(
    ("kind", "instance", "form"),
    [
        ("text_only", {"text": "plain"}, Form.PLAIN),
        ("text_only", {"text": PROMPT}, Form.PROMPT),
        ("text_only", {"text": f"{PROMPT} "}, Form.PROMPT),
        ("text_only", {"text": DIALOGUE}, Form.DIALOGUE),
        ("text_only", {"text": DIALOGUE, "reward": -1.5}, Form.DIALOGUE),
        ("text2text", {"input": PROMPT, "output": " Hello."}, Form.DIALOGUE),
        ("paired_text_to_text", PAIR, Form.DIALOGUE),
        ("paired_text_to_text", {"prompt": "a", "chosen": "b", "rejected": "c", "margin": 1}, Form.PLAIN),
        ("instruction_to_outputs", {"instruction": "a", "outputs": {"m": "b"}}, Form.PLAIN),
    ],
)
def test_every_kind_is_told(tmp_path: Path, kind: str, instance: dict[str, Any], form: Form) -> None:
    found = inspect(_write(tmp_path / "a.json", kind, instance, instance))
    assert (found.kind, found.form) == (kind, form)
    assert {len(texts) for texts in found.texts.values()} == {2}
    assert found.numbers == {
        name: [value] * 2 for name, value in instance.items() if name in ("reward", "margin")
    }


def test_named_texts_are_told_by_name(tmp_path: Path) -> None:
    instance = {"instruction": "a", "outputs": {"m": "b", "n": " "}}
    found = inspect(_write(tmp_path / "a.json", "instruction_to_outputs", instance))
    assert found.texts == {"instruction": ["a"], "outputs.m": ["b"], "outputs.n": [" "]}
    assert found.remarks == {"a text under 'outputs' is blank": 1}


def test_lines_and_plain_text(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text(
        json.dumps({"prompt": PROMPT, "response": " Yes."}) + "\n" + json.dumps({"text": DIALOGUE})
    )
    found = inspect(lines)
    assert (found.kind, found.form, found.texts["text"]) == (
        ".jsonl",
        Form.DIALOGUE,
        [f"{PROMPT} Yes.", DIALOGUE],
    )
    (tmp_path / "a.txt").write_text("Some text.")
    assert inspect(tmp_path / "a.txt").kind == ".txt"


def test_what_is_odd_and_no_mistake_is_remarked(tmp_path: Path) -> None:
    odd = f"###Human: a###Human: b{ASSISTANTS} c"
    found = inspect(_write(tmp_path / "a.json", "text_only", {"text": odd}, {"text": DIALOGUE}))
    assert found.remarks == {"one side has two turns in a row": 1, "a turn is blank": 1}


ASSISTANTS = "###Assistant: ###Human: again###Assistant:"


@pytest.mark.parametrize(
    ("kind", "first", "second", "said"),
    [
        ("text_only", {"text": DIALOGUE}, {"text": " \n"}, "'text' is blank"),
        ("text_only", {"text": DIALOGUE}, {"text": "Hello."}, "'text' has no role mark"),
        ("text_only", {"text": "Hello."}, {"text": DIALOGUE}, "'text' has a role mark"),
        ("text_only", {"text": DIALOGUE}, {"text": PROMPT}, "'text' is one of prompts, and not of dialogues"),
        ("text_only", {"text": PROMPT}, {"text": "###Human: ###Assistant:"}, "'text' is an empty dialogue"),
        ("text_only", {"text": DIALOGUE}, {"text": "###Assistant: Hi"}, "begins with '###Human:', not with"),
        ("text_only", {"text": DIALOGUE}, {"text": f"Well. {DIALOGUE}"}, "begins with '###Human:', not with"),
        ("text_only", {"text": DIALOGUE}, {"text": f"{DIALOGUE}###Human: Bye"}, "'text' ends with the human"),
        ("text_only", {"text": DIALOGUE}, {"text": DIALOGUE, "reward": 1}, "'reward': has one, unlike"),
        ("text_only", {"text": DIALOGUE, "reward": 1}, {"text": DIALOGUE}, "'reward': has none, unlike"),
        (
            "text_only",
            {"text": DIALOGUE},
            {"text": DIALOGUE, "reward": "1"},
            "reward is '1', no finite number",
        ),
        ("text_only", {"text": DIALOGUE}, {"txt": DIALOGUE}, "needs text under 'text'"),
        ("text2text", {"input": "a", "output": "b"}, {"input": "a", "output": ""}, "'output' is blank"),
        ("paired_text_to_text", PAIR, PAIR | {"chosen": " b"}, "'chosen' and 'rejected' are equal"),
        ("paired_text_to_text", PAIR, PAIR | {"rejected": ""}, "'rejected' is blank"),
        ("paired_text_to_text", PAIR, PAIR | {"prompt": f"{PROMPT} x"}, "'prompt' does not end with '###A"),
        (
            "instruction_to_outputs",
            {"instruction": "a", "outputs": {"m": "b"}},
            {"instruction": "a", "outputs": {"m": 1}},
            "needs an object of texts under 'outputs'",
        ),
    ],
)
def test_mistakes_name_file_instance_and_field(
    tmp_path: Path, kind: str, first: object, second: object, said: str
) -> None:
    path = _write(tmp_path / "a.json", kind, first, second)
    with pytest.raises(UserError) as caught:
        inspect(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: instance 1: ")
    assert said in message


def test_a_folder_is_read_data_set_by_data_set(tmp_path: Path) -> None:
    _write(tmp_path / "b" / "1.json", "text_only", {"text": PROMPT})
    _write(tmp_path / "b" / "2.json", "text_only", {"text": PROMPT})
    _write(tmp_path / "a" / "1.json", "paired_text_to_text", PAIR)
    (tmp_path / "a" / "manifest.json").write_text("{}")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "c.jsonl").write_text('{"text": "a"}\n')
    assert data_sets(tmp_path) == [tmp_path / "c.jsonl", tmp_path / "a", tmp_path / "b"]
    assert len(inspect(tmp_path / "b").texts["text"]) == 2
    assert inspect(tmp_path / "a").kind == "paired_text_to_text"


def test_mixed_types_in_a_folder_and_nothing_at_all(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "1.json", "text_only", {"text": PROMPT})
    _write(tmp_path / "a" / "2.json", "paired_text_to_text", PAIR)
    with pytest.raises(UserError, match=r"2\.json: type 'paired_text_to_text', but 1\.json beside it is of"):
        inspect(tmp_path / "a")
    with pytest.raises(UserError, match="nowhere is missing"):
        data_sets(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no data file"):
        data_sets(tmp_path / "empty")
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(UserError, match="holds no text"):
        inspect(tmp_path / "a.jsonl")
