"""Sample replies with vLLM, where it is installed: much faster than transformers on a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ama.data.dialogue import HUMAN, cut_reply
from ama.errors import UserError
from ama.processes import rank_and_size
from ama.sampling.generation import BatchDone
from ama.settings.sampling import SamplingSettings

_REPLIES_AT_ONCE = 4096


def sample_with_vllm(
    folder: Path,
    prompts: Sequence[str],
    settings: SamplingSettings,
    dtype: str,
    on_done: BatchDone,
    done: Mapping[int, list[str]],
) -> list[str]:
    """Sample as `ama.sampling.sample_replies` does; the random numbers, and so the replies, are vLLM's own.

    Args:
        folder: of the model.
        prompts: such as end with `###Assistant:`.
        settings: how to sample; vLLM makes its own batches.
        dtype: of the weights, `auto` for the checkpoint's own.
        on_done: called with the number of each part of the work and its replies.
        done: what an earlier run passed to it.

    Raises:
        UserError: vLLM is not installed, or the run has several processes.
    """
    if rank_and_size()[1] > 1:
        raise UserError("--engine vllm samples in one process: run without torchrun or deepspeed")
    try:
        vllm: Any = import_module("vllm")
    except ImportError as error:
        raise UserError(f"--engine vllm needs vLLM ({error}): install it, or use transformers") from error
    parameters = vllm.SamplingParams(
        n=settings.samples,
        temperature=settings.temperature,
        top_k=settings.top_k or -1,
        top_p=settings.top_p,
        max_tokens=settings.max_new_tokens,
        stop=[HUMAN.removesuffix(":")],
        seed=settings.seed,
    )
    engine = None
    size = max(1, _REPLIES_AT_ONCE // settings.samples)
    replies: list[str] = []
    for number, begin in enumerate(range(0, len(prompts), size)):
        part = done.get(number)
        if part is None:
            engine = engine or vllm.LLM(model=str(folder), dtype=dtype, seed=settings.seed)
            found = engine.generate(list(prompts[begin : begin + size]), parameters, use_tqdm=False)
            part = [cut_reply(reply.text) for answer in found for reply in answer.outputs]
            on_done(number, part)
        replies += part
    return replies
