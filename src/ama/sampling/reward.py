"""Score texts with a reward model: a sequence classification model of one output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.errors import UserError
from ama.processes import gather_batches, rank_and_size
from ama.sampling.batches import batches_by_length
from ama.sampling.encoding import check_vocabulary, context_length, encode_texts, padding_id

ScoresDone = Callable[[int, list[float]], None]


def score_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    batch: int = 64,
    on_done: ScoresDone = lambda number, scores: None,
    done: Mapping[int, list[float]] | None = None,
) -> list[float]:
    """Return the reward of each text, prompt and reply joined; the processes of a run share the batches.

    An end-of-text token is added to each text, as in the training of reward models.

    Args:
        model: of `ama.models.load_reward_model`, whole on this process; its device is used.
        tokenizer: the reward model's.
        texts: such as `###Human: ...###Assistant: ...`.
        batch: texts at a time on each process; does not change the scores but for rounding.
        on_done: called on the process that did it with the number of each batch and its scores.
        done: what an earlier run passed to `on_done` with the same texts and batch; not done again.

    Returns:
        The model's one output for each text, the same on every process.

    Raises:
        UserError: a text is longer than the model's context, the model has not one output, the tokenizer has
            no end-of-text token, or it has more tokens than the model.
    """
    if model.config.num_labels != 1:
        raise UserError(
            f"the reward model {model.name_or_path} has {model.config.num_labels} outputs: "
            "give one that was trained with num_labels 1"
        )
    check_vocabulary(model, tokenizer)
    rows = encode_texts(tokenizer, texts)
    context = context_length(model)
    for number, row in enumerate(rows):
        if context is not None and len(row) > context:
            raise UserError(
                f"text {number} has {len(row)} tokens, and the reward model {model.name_or_path} "
                f"a context of {context}: shorten it"
            )
    batches = batches_by_length([len(row) for row in rows], batch)
    rank, size = rank_and_size()
    done = done or {}
    found = {number: done[number] for number in done if number % size == rank}
    for number in range(rank, len(batches), size):
        if number not in found:
            found[number] = _score(model, padding_id(tokenizer), [rows[i] for i in batches[number]])
            on_done(number, found[number])
    scores = [0.0] * len(rows)
    for number, values in gather_batches(found).items():
        for place, value in zip(batches[number], values, strict=True):
            scores[place] = value
    return scores


def _score(model: PreTrainedModel, pad: int, rows: Sequence[Sequence[int]]) -> list[float]:
    width = max(map(len, rows))
    ids = torch.tensor([list(row) + [pad] * (width - len(row)) for row in rows], device=model.device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=model.device)
    # The model reads the reward at the last token that is not this one.
    model.config.pad_token_id = pad
    run: Any = model
    with torch.inference_mode():
        outputs = run(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return [float(value) for value in outputs.float().squeeze(-1).tolist()]
