"""Texts as token ids, the same way for sampling, scoring and every training of the RLHF stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.errors import UserError


@dataclass(frozen=True)
class Encoded:
    """A dialogue in tokens.

    Attributes:
        ids: prompt, reply and the end-of-text token.
        prompt_length: how many of them are the prompt's.
    """

    ids: list[int]
    prompt_length: int


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of each prompt, with the beginning-of-text token where the tokenizer adds one."""
    if not prompts:
        return []
    rows: list[list[int]] = tokenizer(list(prompts), verbose=False)["input_ids"]
    # Some tokenizers end every text; a prompt goes on.
    return [row[:-1] if row and row[-1] == tokenizer.eos_token_id else row for row in rows]


def encode_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of each text, with one end-of-text token at its end.

    Raises:
        UserError: the tokenizer has no end-of-text token.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise UserError(
            f"the tokenizer of {tokenizer.name_or_path} has no end-of-text token: set eos_token in its config"
        )
    return [[*row, end] for row in encode_prompts(tokenizer, texts)]


def encode_dialogues(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], replies: Sequence[str]
) -> list[Encoded]:
    """Return prompt and reply, joined, as tokens; a token that holds some of both counts as the reply's.

    Raises:
        UserError: the tokenizer has no end-of-text token.
    """
    joined = [prompt + reply for prompt, reply in zip(prompts, replies, strict=True)]
    whole, begun = encode_texts(tokenizer, joined), encode_prompts(tokenizer, prompts)
    return [Encoded(ids, _shared(ids, prompt)) for ids, prompt in zip(whole, begun, strict=True)]


def _shared(ids: Sequence[int], prompt: Sequence[int]) -> int:
    """Return how many tokens two rows have in common at their beginning, all of `ids` but one at most."""
    length = min(len(prompt), len(ids) - 1)
    return next((place for place in range(length) if ids[place] != prompt[place]), length)


def padding_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that fills batches up: the padding token, else the end-of-text token.

    What is filled up is masked, and a reward is read at the last token that is no padding, in training and in
    scoring alike, so either does.

    Raises:
        UserError: the tokenizer has neither.
    """
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    raise UserError(
        f"the tokenizer of {tokenizer.name_or_path} has neither a padding nor an end-of-text token: "
        "set pad_token in its tokenizer_config.json"
    )


def context_length(model: PreTrainedModel) -> int | None:
    """Return how many tokens the model can attend to, None if its configuration does not say."""
    limit: int | None = getattr(model.config, "max_position_embeddings", None)
    return limit


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Check that the model knows every token of the tokenizer.

    Raises:
        UserError: it has fewer embeddings than the tokenizer has tokens.
    """
    rows = int(model.get_input_embeddings().num_embeddings)  # type: ignore[arg-type]
    if len(tokenizer) > rows:
        raise UserError(
            f"the tokenizer of {tokenizer.name_or_path} has {len(tokenizer)} tokens, and the model "
            f"{model.name_or_path} only {rows}: give a model and a tokenizer of one vocabulary"
        )
