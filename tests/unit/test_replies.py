"""Replies by prompt from the files that hold such."""

import json
from pathlib import Path
from typing import Any

import pytest

from ama.data.replies import check_not_blank, check_references, read_replies
from ama.errors import UserError

ROWS = [{"instruction": "a", "output": "1"}, {"instruction": "b", "output": ""}]
SEVERAL = [{"instruction": prompt, "outputs": {"one": "1", "two": "2"}} for prompt in ("a", "b")]
PLAIN = [{"input": "a", "output": "1", "reward": 0.5}, {"input": "b", "output": ""}]


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def _lmflow(path: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    return _write(path, {"type": kind, "instances": rows})


def test_every_form_gives_replies_by_prompt(tmp_path: Path) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    files = [
        _write(tmp_path / "rows.json", ROWS),
        lines,
        _lmflow(tmp_path / "plain.json", "text2text", PLAIN),
    ]
    assert [read_replies(path) for path in files] == [{"a": "1", "b": ""}] * 3
    several = _lmflow(tmp_path / "several.json", "instruction_to_outputs", SEVERAL)
    assert read_replies(several, "two") == {"a": "2", "b": "2"}
    alone = [{"instruction": "a", "outputs": {"one": "1"}}]
    assert read_replies(_lmflow(tmp_path / "alone.json", "instruction_to_outputs", alone)) == {"a": "1"}


@pytest.mark.parametrize(
    ("kind", "rows", "name", "said"),
    [
        ("instruction_to_outputs", SEVERAL, None, "instance 0: has outputs of one, two: say whose"),
        (
            "instruction_to_outputs",
            SEVERAL,
            "three",
            "instance 0: has outputs of one, two: there are none of three",
        ),
        ("text2text", PLAIN * 2, None, "instance 2: its prompt has come before"),
        ("text2text", [], None, "is empty"),
        ("text2text", [PLAIN[0], {"input": " ", "output": "1"}], None, "reply 1 has a blank prompt: drop it"),
        (
            "text_only",
            [{"text": "a"}],
            None,
            "type 'text_only' is not one of text2text, instruction_to_outputs",
        ),
    ],
)
def test_mistakes(tmp_path: Path, kind: str, rows: list[dict[str, Any]], name: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_replies(_lmflow(tmp_path / "file.json", kind, rows), name)


def test_a_prompt_without_a_reference() -> None:
    check_references(["a"], {"a": "1", "b": ""}, "here")
    with pytest.raises(UserError, match="here has no reference for 2 of 3 prompts, the first 'x'"):
        check_references(["a", "x", "y"], {"a": "1"}, "here")
    with pytest.raises(UserError, match="the references of here are empty, all 1 of them"):
        check_references(["b"], {"a": "1", "b": " "}, "here")


def test_nobody_said_anything() -> None:
    check_not_blank(["", "x"], "they")
    for replies in ([], ["", "\n"]):
        with pytest.raises(UserError, match="they are empty"):
            check_not_blank(replies, "they")
