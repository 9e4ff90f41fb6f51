"""The dialogue format: splitting and joining turns, and the end of a sampled reply."""

import pytest

from ama.data.dialogue import (
    ASSISTANT,
    HUMAN,
    Turn,
    cut_reply,
    has_mark,
    join_turns,
    split_reply,
    split_turns,
)

TWO_TURNS = "###Human: Hi###Assistant: Hello.###Human: Why?\n\n# not a mark###Assistant: Because."


def test_marks_are_those_of_the_paper() -> None:
    assert (HUMAN, ASSISTANT) == ("###Human:", "###Assistant:")


def test_turns_are_split_and_joined_again() -> None:
    turns = split_turns(TWO_TURNS)
    assert turns == [
        Turn(HUMAN, " Hi"),
        Turn(ASSISTANT, " Hello."),
        Turn(HUMAN, " Why?\n\n# not a mark"),
        Turn(ASSISTANT, " Because."),
    ]
    assert join_turns(turns) == TWO_TURNS


def test_a_prompt_ends_in_an_open_turn() -> None:
    assert split_turns("###Human: Hi###Assistant:")[-1] == Turn(ASSISTANT, "")


@pytest.mark.parametrize(
    "text", ["", "Hi", " ###Human: Hi", "###Assistant: Hi", "###Human Hi###Assistant: x"]
)
def test_a_text_that_does_not_begin_with_the_human_is_no_dialogue(text: str) -> None:
    with pytest.raises(ValueError, match="begins with '###Human:'"):
        split_turns(text)


def test_the_message_quotes_the_beginning_only() -> None:
    with pytest.raises(ValueError, match=r"not with 'x{30}\.\.\.'$"):
        split_turns("x" * 500)


@pytest.mark.parametrize(
    ("sampled", "reply"),
    [
        (" Fine.###Human: And you?###Assistant: Me, too.", " Fine."),
        (" Fine. \n\n###Human: And", " Fine."),
        (" Fine.###Human", " Fine."),
        ("###Human: I answer myself", ""),
        (" Fine. ", " Fine. "),
        (" A ### heading", " A ### heading"),
    ],
)
def test_a_reply_is_cut_at_the_next_human(sampled: str, reply: str) -> None:
    assert cut_reply(sampled) == reply


def test_prompt_and_reply_are_split_at_the_last_mark() -> None:
    prompt, reply = split_reply(TWO_TURNS)
    assert (prompt[-13:], reply) == ("###Assistant:", " Because.")
    assert prompt + reply == TWO_TURNS
    assert split_reply("no mark") == ("", "no mark")


def test_marks_are_found() -> None:
    assert has_mark("a ###Human: b")
    assert has_mark("###Assistant:")
    assert not has_mark("### Human: a\n###Human b")
