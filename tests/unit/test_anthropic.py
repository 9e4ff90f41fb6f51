"""Anthropic's comparisons as pairs: what is kept, what is dropped and why, and files that are broken."""

import gzip
import json
from pathlib import Path

import pytest
from support.hh import anthropic, comparison

from ama.data.hh_rlhf.anthropic import Dropped, convert, read_comparisons
from ama.data.pairs import Pair
from ama.errors import UserError


def test_all_turns_are_kept_and_only_the_marks_change() -> None:
    turns = ("Hi ", "Hello.\n\nWhat is it?", "Humans: why?\n- one\n- two")
    pair = convert(anthropic(*turns, "Because. "), anthropic(*turns, "No idea."))
    prompt = (
        "###Human: Hi ###Assistant: Hello.\n\nWhat is it?###Human: Humans: why?\n- one\n- two###Assistant:"
    )
    assert pair == Pair(prompt, " Because. ", " No idea.")


def test_a_mark_within_a_line_is_text() -> None:
    pair = convert(anthropic("Say 'Human: x'", "Human: x"), anthropic("Say 'Human: x'", "No."))
    assert pair == Pair("###Human: Say 'Human: x'###Assistant:", " Human: x", " No.")


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (anthropic("a", "b"), anthropic("a", " b "), Dropped.EQUAL),
        (anthropic("a", "b"), anthropic("a", " "), Dropped.EMPTY),
        (anthropic("a", ""), anthropic("a", "b"), Dropped.EMPTY),
        (anthropic("a", "b"), anthropic("A", "c"), Dropped.PROMPT),
        (anthropic("a", "b", "c", "d"), anthropic("a", "e"), Dropped.PROMPT),
        (anthropic("a", "b", "c"), anthropic("a", "b", "c"), Dropped.END),
        (anthropic("a"), anthropic("a"), Dropped.END),
        ("Hi" + anthropic("a", "b"), anthropic("a", "c"), Dropped.BEGIN),
        ("", "", Dropped.BEGIN),
        ("\n\nAssistant: a", "\n\nAssistant: b", Dropped.BEGIN),
        (anthropic("a ###Human: b", "c"), anthropic("a ###Human: b", "d"), Dropped.MARK),
        (anthropic("a", "b"), anthropic("a", "###Assistant: c"), Dropped.MARK),
        (anthropic("a", "b \ud83d"), anthropic("a", "c"), Dropped.UNICODE),
    ],
)
def test_what_is_no_comparison_is_dropped(chosen: str, rejected: str, reason: Dropped) -> None:
    assert convert(chosen, rejected) is reason


def _packed(*lines: str) -> bytes:
    return gzip.compress("\n".join(lines).encode())


def test_lines_are_read_and_bytes_are_counted() -> None:
    rows = [comparison(f"question {number}\u2028") for number in range(500)]
    content = _packed(*(json.dumps({"chosen": a, "rejected": b}, ensure_ascii=False) for a, b in rows))
    steps: list[int] = []
    assert list(read_comparisons(Path("a"), content, steps.append)) == rows
    assert 0 < sum(steps) <= len(content)
    assert min(steps) >= 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_packed('{"chosen": "a", "rejected": "b"}')[:-9], "is no whole gzip file"),
        (_packed('{"chosen": "a", "rejected": "b"}')[:-8] + bytes(8), "is no whole gzip file"),
        (b'{"chosen": "a", "rejected": "b"}', "is no whole gzip file"),
        (gzip.compress(b'{"chosen": "\xff"}'), "not UTF-8"),
        (_packed('{"chosen": "a", "rejected": "b"}', "{"), "line 2: not JSON at character 1"),
        (_packed('{"chosen": "a"}'), "line 1: needs text under 'rejected'"),
        (_packed('{"chosen": 1, "rejected": "b"}'), "line 1: needs text under 'chosen'"),
        (_packed("[]"), "line 1: needs text under 'chosen'"),
        (_packed('{"chosen": "a", "rejected": "b"}', "", ""), "line 2: not JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_broken_files_are_refused(content: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        list(read_comparisons(Path("folder/test.jsonl.gz"), content))
    assert str(caught.value).startswith("folder/test.jsonl.gz")
