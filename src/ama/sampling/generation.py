"""Sample replies to prompts from a causal language model, in large left-padded batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.data.dialogue import HUMAN, cut_reply
from ama.errors import UserError
from ama.processes import gather_batches, rank_and_size
from ama.sampling.batches import batches_by_length
from ama.sampling.encoding import check_vocabulary, context_length, encode_prompts, padding_id
from ama.sampling.prompt_cache import prompt_cache
from ama.settings.sampling import SamplingSettings

# A model may leave the colon out.
_NEXT_TURN = HUMAN.removesuffix(":")

BatchDone = Callable[[int, list[str]], None]


def sample_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    settings: SamplingSettings,
    on_done: BatchDone = lambda number, replies: None,
    done: Mapping[int, list[str]] | None = None,
) -> list[str]:
    """Sample `settings.samples` replies to each prompt; the processes of a run share the batches.

    Each batch has a seed of its own, so the replies depend neither on how many processes share the work nor
    on an interruption, but for the rounding of the machine.

    Args:
        model: in evaluation mode, whole on this process; its device is used.
        tokenizer: the model's.
        prompts: such as end with `###Assistant:`.
        settings: how to sample.
        on_done: called on the process that did it with the number of each batch and its replies.
        done: what an earlier run passed to `on_done` with the same prompts and settings; not done again.

    Returns:
        The replies, those to one prompt beside each other: number i * samples + j is the j-th to prompt i.
        Each ends at the end-of-text token or before the next `###Human`. The same on every process.

    Raises:
        UserError: a prompt is empty or leaves the model's context no room for max_new_tokens, the tokenizer
            has no token to pad with, or it has more tokens than the model.
    """
    check_vocabulary(model, tokenizer)
    padding_id(tokenizer)
    rows = encode_prompts(tokenizer, prompts)
    _check_lengths(rows, context_length(model), settings.max_new_tokens)
    rows = [row for row in rows for _ in range(settings.samples)]
    batches = batches_by_length([len(row) for row in rows], settings.sample_batch)
    rank, size = rank_and_size()
    done = done or {}
    found = {number: done[number] for number in done if number % size == rank}
    for number in range(rank, len(batches), size):
        if number not in found:
            found[number] = _sample(model, tokenizer, [rows[i] for i in batches[number]], settings, number)
            on_done(number, found[number])
    replies = [""] * len(rows)
    for number, batch in gather_batches(found).items():
        for row, reply in zip(batches[number], batch, strict=True):
            replies[row] = reply
    return replies


def _check_lengths(rows: Sequence[Sequence[int]], context: int | None, new_tokens: int) -> None:
    for number, row in enumerate(rows):
        if not row:
            raise UserError(f"prompt {number} is empty: give it at least one token")
        if context is not None and len(row) + new_tokens > context:
            raise UserError(
                f"prompt {number} has {len(row)} tokens, which with {new_tokens} new ones is more than the "
                f"model's context of {context}: leave it out, or lower max_new_tokens"
            )


def _sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Sequence[int]],
    settings: SamplingSettings,
    number: int,
) -> list[str]:
    """Sample one reply to each row of token ids, with the seed of this batch."""
    width, pad = max(map(len, rows)), padding_id(tokenizer)
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    ends = _end_ids(model, tokenizer)
    draw: dict[str, Any] = {"do_sample": False}
    if settings.temperature:
        draw = {"do_sample": True, "temperature": settings.temperature}
        draw |= {"top_k": settings.top_k, "top_p": settings.top_p}
    generate: Any = model.generate
    devices = [] if model.device.type == "cpu" else [model.device]
    device_type = "cuda" if model.device.type == "cpu" else model.device.type
    with torch.random.fork_rng(devices, device_type=device_type), torch.inference_mode():
        torch.manual_seed((settings.seed << 24) + number)
        texts = generate(
            ids.to(model.device),
            attention_mask=mask.to(model.device),
            past_key_values=prompt_cache(model, rows, pad),
            max_new_tokens=settings.max_new_tokens,
            repetition_penalty=1.0,
            eos_token_id=ends or None,
            pad_token_id=pad,
            stopping_criteria=[_TurnEnds(tokenizer, width)],
            **draw,
        )
    return [_reply(tokenizer, text[width - 1 :], set(ends)) for text in texts.tolist()]


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    own = getattr(model.generation_config, "eos_token_id", None)
    ids = {tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])}
    return sorted(token for token in ids if token is not None)


def _reply(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], ends: set[int]) -> str:
    """Decode what follows the first of the tokens, which is the prompt's last, up to the end of the reply.

    Decoded alone, a reply would lose the space that it begins with where a tokenizer marks words by it.
    """
    before, *after = tokens
    length = next((place for place, token in enumerate(after) if token in ends), len(after))
    start = _decode(tokenizer, [before])
    return cut_reply(_decode(tokenizer, [before, *after[:length]]).removeprefix(start))


def _decode(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    text = tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text)


class _TurnEnds:
    """A stopping criterion of `generate`: a row is done once it has begun the human's next turn."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, width: int) -> None:
        self._tokenizer, self._width = tokenizer, width

    def __call__(self, ids: Tensor, scores: Tensor, **_: Any) -> Tensor:
        """Return for each row whether its newest tokens hold the mark; none is shorter than a character."""
        newest = ids[:, max(self._width, ids.shape[1] - len(_NEXT_TURN)) :].tolist()
        texts = self._tokenizer.batch_decode(newest, clean_up_tokenization_spaces=False)
        return torch.tensor([_NEXT_TURN in text for text in texts], device=ids.device)
