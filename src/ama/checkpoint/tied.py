"""Tied embeddings: token table and head in one tensor, which a checkpoint stores once, twice or untied."""

import math
from dataclasses import replace

import torch

from ama.checkpoint.folder import Checkpoint
from ama.checkpoint.names import find_head, find_token_embedding
from ama.checkpoint.tensors import StoredTensor, row_length

_COMPARED_BYTES = 8 << 20


def untie(before: Checkpoint, after: Checkpoint) -> tuple[Checkpoint, Checkpoint, list[str]]:
    """Bring both models to the same tensors: no head where both tie it, a head in both where only one does.

    Returns:
        Both models and notes for the user.
    """
    models = [_without_repeated_head(before), _without_repeated_head(after)]
    heads = [find_head(model.tensors) for model in models]
    if heads == [None, None] or None not in heads:
        return models[0], models[1], []
    lacking = heads.index(None)
    table = find_token_embedding(models[lacking].tensors)
    if table is None:
        return models[0], models[1], []
    head = heads[1 - lacking] or ""
    tensors = {**models[lacking].tensors, head: models[lacking].tensors[table]}
    models[lacking] = replace(models[lacking], tensors=tensors)
    models[1] = replace(models[1], config={**models[1].config, "tie_word_embeddings": False})
    note = f"only {models[lacking].label} ties its head to '{table}': the result has a head of its own"
    return models[0], models[1], [note]


def _without_repeated_head(model: Checkpoint) -> Checkpoint:
    # Without the setting the model's class decides, which differs between families: then the weights do.
    head, table = find_head(model.tensors), find_token_embedding(model.tensors)
    if head is None or table is None or model.config.get("tie_word_embeddings") is False:
        return model
    first, second = model.tensors[head], model.tensors[table]
    if not (isinstance(first, StoredTensor) and isinstance(second, StoredTensor) and _equal(first, second)):
        return replace(model, config={**model.config, "tie_word_embeddings": False})
    tensors = {name: tensor for name, tensor in model.tensors.items() if name != head}
    return replace(model, config={**model.config, "tie_word_embeddings": True}, tensors=tensors)


def _equal(first: StoredTensor, second: StoredTensor) -> bool:
    if (first.shape, first.dtype) != (second.shape, second.dtype):
        return False
    if first.file.path == second.file.path and first.offset == second.offset:
        return True
    rows = math.prod(first.shape) // row_length(first.shape)
    row_bytes = row_length(first.shape) * first.dtype.itemsize
    step = max(1, _COMPARED_BYTES // row_bytes)
    buffers = bytearray(step * row_bytes), bytearray(step * row_bytes)
    spans = ((start, min(start + step, rows)) for start in range(0, rows, step))
    return all(torch.equal(first.read(*span, buffers[0]), second.read(*span, buffers[1])) for span in spans)
