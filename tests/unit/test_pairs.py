"""Reading preference pairs: what comes out, and what is said of a file that is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from ama.data.pairs import Pair, read_pairs
from ama.errors import UserError

PROMPT = "###Human: Which is better?###Assistant:"
GOOD: dict[str, Any] = {"prompt": PROMPT, "chosen": " This.", "rejected": " That."}


def _file(path: Path, *instances: object, kind: str = "paired_text_to_text") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"type": kind, "instances": instances}))
    return path


def test_pairs_are_read_in_order_with_their_margins(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.json", GOOD, GOOD | {"margin": 0.5, "source": "kept out"})
    assert read_pairs(path) == [Pair(PROMPT, " This.", " That."), Pair(PROMPT, " This.", " That.", 0.5)]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    _file(tmp_path / "b.json", GOOD | {"chosen": "second"})
    _file(tmp_path / "a.json", GOOD | {"chosen": "first"})
    assert [pair.chosen for pair in read_pairs(tmp_path)] == ["first", "second"]


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        ({}, "instance 1: needs text under 'prompt'"),
        ([], "instance 1: needs text under 'prompt'"),
        (GOOD | {"rejected": 1}, "instance 1: needs text under 'rejected'"),
        (GOOD | {"chosen": " \n"}, "instance 1: 'chosen' is blank"),
        (GOOD | {"prompt": ""}, "instance 1: 'prompt' is blank"),
        (GOOD | {"rejected": " This."}, "instance 1: 'chosen' and 'rejected' are equal"),
        (GOOD | {"margin": "much"}, "instance 1: margin is 'much', no finite number"),
        (GOOD | {"margin": float("nan")}, "instance 1: margin is nan, no finite number"),
        (GOOD | {"margin": True}, "instance 1: margin is True, no finite number"),
    ],
)
def test_mistakes_are_placed(tmp_path: Path, instance: object, said: str) -> None:
    path = _file(tmp_path / "a.json", GOOD, instance)
    with pytest.raises(UserError) as caught:
        read_pairs(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_other_types_and_mixed_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="type 'text_only' is not one of paired_text_to_text"):
        read_pairs(_file(tmp_path / "texts" / "a.json", {"text": "a"}, kind="text_only"))
    _file(tmp_path / "texts" / "b.json", {"input": "a", "output": "b"}, kind="text2text")
    from ama.data.samples import read_samples

    with pytest.raises(UserError, match=r"b\.json: type 'text2text', but a\.json beside it is of type"):
        read_samples(tmp_path / "texts")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON at character 1"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "not LMFlow JSON"),
        ('{"type": ["a"], "instances": []}', "is not one of"),
        ('{"type": "paired_text_to_text", "instances": []}', "is empty"),
    ],
)
def test_what_is_no_file_of_pairs_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(UserError, match=said):
        read_pairs(path)
    with pytest.raises(UserError, match="nowhere is missing"):
        read_pairs(tmp_path / "nowhere")
