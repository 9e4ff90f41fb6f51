"""Numbers as the report of a front writes them, and what a table shows of what is missing."""

import math

import pytest

from ama.report.front.estimate import Estimate
from ama.report.front.model import Column, Front, FrontPoint
from ama.report.front.tables import Cell, estimate_text, interval_text, point_table

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(61.42, 1.234, 59, 64), "61.4 ± 1.2"),
        (Estimate(-0.0236, 0.0531, -0.1, 0.1), f"{MINUS}0.024 ± 0.053"),
        (Estimate(1234.5, 250.0, 800, 1700), "1234 ± 250"),
        (Estimate(1.0, 0.0, 1.0, 1.0), "1.000"),
        (Estimate(67.3, 0.0, 67.3, 67.3), "67.30"),
        (Estimate(2.8977), "2.898 (error unknown)"),
        (Estimate(math.nan), ""),
        (None, ""),
    ],
)
def test_a_number_ends_at_the_second_digit_of_its_error(estimate: Estimate | None, text: str) -> None:
    assert estimate_text(estimate) == text


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.9026, 0.02, 0.8683, 0.9491), "0.903 [0.868, 0.949]"),
        (Estimate(-3.1, 0.5, -4.14, -2.06), f"{MINUS}3.1 [{MINUS}4.1, {MINUS}2.1]"),
        (Estimate(0.0, 0.0, 0.0, 0.0), "0.000 [0.000, 0.000]"),
        (Estimate(0.5), "0.500 (error unknown)"),
        (None, ""),
    ],
)
def test_an_interval_is_written_to_two_digits_of_its_width(estimate: Estimate | None, text: str) -> None:
    assert interval_text(estimate) == text


def test_a_missing_number_says_why() -> None:
    scores = {"reward": Estimate(1.0, 0.1, 0.8, 1.2), "skill": Estimate(math.nan)}
    point = FrontPoint("a", "0.3", 0.3, {}, scores, None, False, None, None, {"piqa acc": "out of memory"})
    columns = (Column("reward", "reward (hh)"), Column("skill", "mean skill"))
    table = point_table(Front(("f",), columns, (point,), (), (), "no tax", (), ()))
    assert table.header == ["curve", "schedule", "mean ratio", "reward (hh)", "mean skill"]
    (row,) = table.rows
    assert row[1].text == "0.3 (not whole)"
    assert row[3:] == [Cell("1.00 ± 0.10", 1.0), Cell("failed", None, "piqa acc: out of memory")]
