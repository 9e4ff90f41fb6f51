"""Which of the prompts each iteration takes."""

import random
from collections.abc import Sequence
from typing import TypeVar

_Prompt = TypeVar("_Prompt")


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
