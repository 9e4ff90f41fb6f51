"""Reading texts: what each format gives, and what is said of a file that is wrong."""

import json
from pathlib import Path

import pytest

from ama.data import read_texts
from ama.errors import UserError


def _file(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def _lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_text_is_one_document(tmp_path: Path) -> None:
    assert read_texts([_file(tmp_path, "a.txt", "one\n\ntwo\n")]) == ["one\n\ntwo\n"]


def test_lmflow_formats(tmp_path: Path) -> None:
    only = {"type": "text_only", "instances": [{"text": "one"}, {"text": "two"}]}
    pairs = {"type": "text2text", "instances": [{"input": "ask ", "output": "answer"}]}
    paths = [_file(tmp_path, "only.json", only), _file(tmp_path, "pairs.json", pairs)]
    assert read_texts(paths) == ["one", "two", "ask answer"]


def test_json_lines(tmp_path: Path) -> None:
    rows = _lines({"text": "a"}, {"prompt": "p", "response": "r"}, {"prompt": "p", "completion": "c"})
    assert read_texts([_file(tmp_path, "a.jsonl", rows + "\n")]) == ["a", "pr", "pc"]


def test_json_lines_keep_unicode_line_separators_inside_strings(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.jsonl", '{"text": "one\u2028two"}\n')
    assert read_texts([path]) == ["one\u2028two"]


def test_blank_documents_are_left_out(tmp_path: Path) -> None:
    assert read_texts([_file(tmp_path, "a.jsonl", _lines({"text": " \n"}, {"text": "a"}))]) == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "x", "suffix '.csv'; use .txt, .json, .jsonl"),
        ("a.txt", " \n", "holds no text"),
        ("a.json", "{", "a.json: not JSON at character 1"),
        ("a.json", [], "not LMFlow JSON"),
        ("a.json", {"type": "image", "instances": []}, "type 'image' is not one of text_only, text2text"),
        ("a.json", {"type": "text_only", "instances": []}, "holds no text"),
        (
            "a.json",
            {"type": "text_only", "instances": [{"text": "a"}, {}]},
            "instance 1: needs text under 'text'",
        ),
        (
            "a.json",
            {"type": "text2text", "instances": [{"input": "a", "output": 1}]},
            "instance 0: .* 'output'",
        ),
        ("a.jsonl", '{"text": "a"}\n{"text"}\n', "line 2: not JSON at character 7"),
        ("a.jsonl", '{"prompt": "a"}\n', "line 1: needs 'text', or 'prompt' and 'response', or"),
        ("a.jsonl", '{"prompt": "a", "response": null}\n', "line 1: needs text under 'response'"),
        ("a.jsonl", '"text"\n', "line 1: needs 'text'"),
    ],
)
def test_mistakes_are_placed(tmp_path: Path, name: str, content: object, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read_texts([_file(tmp_path, name, content)])
    assert str(tmp_path / name) in str(caught.value)


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("façade".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8 at byte 2"):
        read_texts([path])
