"""Numbers of sets of replies: means over prompts, distinct windows, diversity."""

import math

import pytest

from ama.sampling.measures import distinct, diversity, mean_over_prompts


def test_a_mean_is_taken_over_the_replies_to_a_prompt_first() -> None:
    mean = mean_over_prompts(["a", "b", "a", "b", "c"], [1.0, 4.0, 3.0, 6.0, 2.0])
    assert (mean.value, mean.n) == (3.0, 3)
    assert mean.stderr == pytest.approx(math.sqrt((1 + 4 + 1) / 2 / 3))


def test_one_prompt_has_no_standard_error() -> None:
    assert mean_over_prompts(["a", "a"], [1.0, 2.0]) == (1.5, None, 1)


def test_distinct_counts_windows_of_all_texts_but_none_across_two() -> None:
    assert distinct(["a b a", "b a"], 1) == pytest.approx(2 / 5)
    assert distinct(["a b a", "b a"], 2) == pytest.approx(2 / 3)
    assert distinct(["a b a", "b a"], 3) == 1
    assert distinct(["a", ""], 2) is None


def test_diversity_is_the_product_over_two_three_and_four_words() -> None:
    assert diversity("a b c d e") == 1
    assert diversity("a b a b a") == pytest.approx(2 / 4 * 2 / 3 * 2 / 2)
    assert diversity("a b c") is None
