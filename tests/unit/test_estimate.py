"""Numbers with their uncertainty, against what is known in closed form."""

import math

import numpy as np
import pytest

from ama.report.front.estimate import Estimate, from_draws, item_weights, over_seeds


def test_the_bootstrap_finds_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(0).exponential(2.0, 300)
    weights = item_weights(300, 4000, [1])
    assert (weights.sum(axis=1) == 300).all()
    estimate = from_draws(values.mean(), weights @ values / 300)
    closed_form = values.std() / math.sqrt(300)
    # Of 4000 draws the standard deviation is known to 1.1 %.
    assert estimate.error == pytest.approx(closed_form, rel=0.04)
    assert estimate.low == pytest.approx(values.mean() - 1.96 * closed_form, abs=0.15 * closed_form)
    assert estimate.high == pytest.approx(values.mean() + 1.96 * closed_form, abs=0.15 * closed_form)


def test_the_same_seed_draws_the_same_items() -> None:
    assert (item_weights(20, 5, [3, 1]) == item_weights(20, 5, [3, 1])).all()
    assert (item_weights(20, 5, [3, 1]) != item_weights(20, 5, [3, 2])).any()


def test_students_interval_by_hand() -> None:
    # The mean is 2, the deviation 1, and 4.302653 the quantile at .975 with 2 degrees of freedom.
    error = 1 / math.sqrt(3)
    found = over_seeds([1.0, 2.0, 3.0])
    assert (found.value, found.error) == pytest.approx((2, error))
    assert (found.low, found.high) == pytest.approx((2 - 4.302653 * error, 2 + 4.302653 * error))


def test_one_seed_has_no_interval_and_a_missing_one_no_mean() -> None:
    assert over_seeds([1.5]) == Estimate(1.5)
    assert not over_seeds([1.0, math.nan]).known


def test_a_number_that_is_undefined_in_many_draws_has_no_interval() -> None:
    draws = np.arange(100.0)
    draws[:5] = np.nan
    assert from_draws(1.0, draws).error is not None
    draws[:11] = np.nan
    assert from_draws(1.0, draws) == Estimate(1.0)
    assert not from_draws(math.nan, np.arange(9.0)).known
