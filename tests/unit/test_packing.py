"""Packing: the order of the tokens, the separators, and what does not fill a block."""

from pathlib import Path

import pytest
from support.tiny import make_tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ama.data import pack
from ama.errors import UserError

END, THE, MODEL, BEFORE, AND, AFTER = 2, 4, 5, 6, 7, 8


@pytest.fixture
def tokenizer(tmp_path: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(make_tokenizer(tmp_path))


def test_documents_follow_each_other_with_an_end_after_each(tokenizer: PreTrainedTokenizerBase) -> None:
    blocks = pack(["the model", "before and after"], tokenizer, 3)
    assert blocks.tolist() == [[THE, MODEL, END], [BEFORE, AND, AFTER]]


def test_a_document_may_span_blocks_and_the_rest_is_left_out(tokenizer: PreTrainedTokenizerBase) -> None:
    blocks = pack(["the model before and after"], tokenizer, 4)
    assert blocks.tolist() == [[THE, MODEL, BEFORE, AND]]


def test_a_long_document_gives_no_warning(
    tokenizer: PreTrainedTokenizerBase, capfd: pytest.CaptureFixture[str]
) -> None:
    tokenizer.model_max_length = 8
    assert pack(["the model " * 100], tokenizer, 16).shape == (12, 16)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "block_size", "said"),
    [
        ("the model", 4, "3 tokens of text fill no block of 4"),
        ("the model", 1, "block_size 2 or more"),
    ],
)
def test_mistakes(tokenizer: PreTrainedTokenizerBase, text: str, block_size: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        pack([text], tokenizer, block_size)


def test_a_tokenizer_without_end_of_text_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="no end-of-text token"):
        pack(["the model"], tokenizer, 2)
