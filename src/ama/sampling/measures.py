"""What is said of a set of replies in numbers: means over prompts, and how much replies repeat themselves."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

_WINDOWS = (2, 3, 4)


class Mean(NamedTuple):
    """A mean over prompts.

    Attributes:
        value: the mean.
        stderr: its standard error over prompts, None for one prompt.
        n: how many prompts.
    """

    value: float
    stderr: float | None
    n: int


def mean_over_prompts(prompts: Sequence[str], values: Sequence[float]) -> Mean:
    """Average values over the replies to each prompt, then over prompts, whose errors are independent.

    Args:
        prompts: the prompt of each reply; replies to one prompt share it.
        values: a number for each reply.
    """
    by_prompt: dict[str, list[float]] = {}
    for prompt, value in zip(prompts, values, strict=True):
        by_prompt.setdefault(prompt, []).append(value)
    means = [fmean(found) for found in by_prompt.values()]
    stderr = stdev(means) / math.sqrt(len(means)) if len(means) > 1 else None
    return Mean(fmean(means), stderr, len(means))


def distinct(texts: Iterable[str], window: int) -> float | None:
    """Return distinct-n (Li et al., 2016): the share of all windows of n words that differ from each other.

    Args:
        texts: windows do not reach from one to the next; words are what white space parts.
        window: n, 1 or more.

    Returns:
        A share in (0, 1], None where no text has n words. It falls with the number of texts: compare sets of
        one size.
    """
    found = [part for text in texts for part in _windows(text.split(), window)]
    return len(set(found)) / len(found) if found else None


def diversity(text: str) -> float | None:
    """Return a text's diversity (Su et al., 2022): the product of its own distinct-2, -3 and -4.

    Returns:
        A share in (0, 1], 1 where nothing repeats; None for fewer than four words.
    """
    shares = [distinct([text], window) for window in _WINDOWS]
    return None if None in shares else math.prod(share or 0.0 for share in shares)


def _windows(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
