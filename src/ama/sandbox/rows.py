"""Lessons as rows of tokens of one length, none cut in two, with the labels that before learns."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ama.data.labelled_blocks import IGNORED
from ama.data.samples import Sample
from ama.errors import UserError

# Rows that are filled at a time; more would leave less room unused, and take longer.
_OPEN = 32


def rows_of(
    lessons: Sequence[Sequence[Sample]],
    tokenizer: PreTrainedTokenizerBase,
    length: int,
    prompt_share: float,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Put the lessons in rows, an end-of-text token after each sample.

    Args:
        lessons: samples that belong together, such as several questions about one passage.
        tokenizer: has an end-of-text token, which also fills up the rows.
        length: tokens of a row; at least those of the longest lesson.
        prompt_share: which share of the prompts' tokens to learn, drawn at random, in [0, 1]. In the mean
            this weighs them that much less than replies.
        seed: of that drawing.

    Returns:
        Token ids and labels, int64 of shape (rows, length). Labels that do not count are -100.

    Raises:
        UserError: a lesson has more tokens than a row.
    """
    source = random.Random(seed)
    end = tokenizer.eos_token_id
    samples = [sample for lesson in lessons for sample in lesson]
    prompts, replies = (
        iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
        for texts in ([sample.prompt for sample in samples], [sample.reply for sample in samples])
    )
    full: list[tuple[list[int], list[int]]] = []
    begun: list[tuple[list[int], list[int]]] = []
    for lesson in lessons:
        ids: list[int] = []
        labels: list[int] = []
        for _ in lesson:
            prompt, reply = next(prompts), [*next(replies), end]
            ids += prompt + reply
            labels += [token if source.random() < prompt_share else IGNORED for token in prompt] + reply
        if len(ids) > length:
            raise UserError(
                f"a lesson of {len(ids)} tokens does not fit in a row of {length}: make rows longer"
            )
        row = next((row for row in begun if len(row[0]) + len(ids) <= length), None)
        if row is None:
            row = ([], [])
            begun.append(row)
        row[0].extend(ids)
        row[1].extend(labels)
        if len(begun) > _OPEN:
            fullest = max(range(len(begun)), key=lambda i: len(begun[i][0]))
            full.append(begun.pop(fullest))
    rows = full + begun
    ids_of_rows = torch.tensor([ids + [end] * (length - len(ids)) for ids, _ in rows])
    return ids_of_rows, torch.tensor([labels + [IGNORED] * (length - len(labels)) for _, labels in rows])
