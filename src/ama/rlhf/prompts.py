"""Prompts to sample replies to: reading them, and which of them each iteration takes."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from ama.core.errors import UserError
from ama.data.samples import read_samples
from ama.models import load_tokenizer
from ama.rlhf.lengths import short_enough
from ama.sampling.encoding import encode_prompts

_Prompt = TypeVar("_Prompt")


def read_prompts(path: Path, model: Path, max_tokens: int) -> list[str]:
    """Read prompts and leave out the longer ones, which are counted on stderr.

    Args:
        path: LMFlow JSON, file or folder: text_only up to the last `###Assistant:`, or text2text's inputs.
        model: folder whose tokenizer counts.
        max_tokens: of a prompt (paper, 256).

    Raises:
        UserError: nothing there or no such JSON, a prompt that does not end in a mark, or none short enough.
    """
    prompts = [sample.prompt for sample in read_samples(path)]
    for number, prompt in enumerate(prompts):
        if not prompt.strip():
            raise UserError(f"{path}: instance {number} has no prompt: end it with ###Assistant:")
    lengths = map(len, encode_prompts(load_tokenizer(model), prompts))
    return short_enough(prompts, lengths, max_tokens, "prompt", "--max_prompt_tokens")


def prompts_of(prompts: Sequence[_Prompt], count: int, number: int, seed: int) -> list[_Prompt]:
    """Return the prompts of one iteration.

    All iterations together go through the prompts in a random order, and again in another one when they are
    used up, so that no iteration has one twice before it must.

    Args:
        prompts: all of them, as text or tokens.
        count: of an iteration; all of them if there are fewer.
        number: of the iteration, from 0.
        seed: of the orders.
    """
    count = min(count, len(prompts))
    first, chosen = number * count, list[_Prompt]()
    while len(chosen) < count:
        lap, place = divmod(first + len(chosen), len(prompts))
        order = list(prompts)
        random.Random(f"{seed} {lap}").shuffle(order)
        chosen += order[place : place + count - len(chosen)]
    return chosen
