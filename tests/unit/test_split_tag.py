import random

import pytest

from ama.averaging.schedules.schedule import Schedule
from ama.averaging.schedules.split_tag import (
    check_tag,
    format_split_tag,
    parse_ratio,
    parse_split_tag,
    split_tag_in,
)
from ama.errors import UserError


def random_schedule(seed: int) -> Schedule:
    rng = random.Random(seed)
    pivots = tuple(sorted(rng.sample(range(100), rng.randint(1, 8))))
    draws = (
        rng.random,
        lambda: rng.choice([0.0, 1.0]),
        lambda: round(rng.random(), 1),
        lambda: 10.0 ** rng.uniform(-300, 0),
    )
    ratios = tuple(rng.choice(draws)() for _ in range(len(pivots) + 1))
    return Schedule(rng.random(), pivots, ratios, lm_head=rng.choice([None, 0.0]))


def test_round_trip() -> None:
    for seed in range(500):
        schedule = random_schedule(seed)
        tag = format_split_tag(schedule)
        assert parse_split_tag(tag, schedule.ratio) == schedule, tag
        assert split_tag_in(f"pma_{schedule.ratio}_sft_{tag}_rlhf") == tag


def test_the_released_form() -> None:
    schedule = parse_split_tag("split|10#20|0.4|0.3|0.2", 0.25)
    assert schedule == Schedule(0.25, (10, 20), (0.4, 0.3, 0.2))
    assert format_split_tag(schedule) == "split|10#20|0.4|0.3|0.2"
    assert parse_split_tag("split0|10#20|0.4|0.3|0.2", 0.25).lm_head == 0.0


def test_two_blocks_and_short_numbers() -> None:
    assert parse_split_tag("split|3|.4|1", 0.2) == Schedule(0.2, (3,), (0.4, 1.0))
    assert parse_split_tag("split|3|1e-2|0.", 0.2).ratios == (0.01, 0.0)


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("split", "pivots or ratios are missing"),
        ("split|10#20", "pivots or ratios are missing"),
        ("split1|10|0.4|0.3", "it begins with 'split1'"),
        ("splitter", "it begins with 'splitter'"),
        ("split|10#20|0.4|0.3", "2 pivots make 3 blocks, but 2 ratios were given"),
        ("split|10|0.4|0.3|0.2", "1 pivots make 2 blocks, but 3 ratios were given"),
        ("split|20#10|0.4|0.3|0.2", "pivots 20#10 do not increase"),
        ("split|10#10|0.4|0.3|0.2", "pivots 10#10 do not increase"),
        ("split|a#20|0.4|0.3|0.2", "pivot 'a' is no layer index"),
        ("split|-1#20|0.4|0.3|0.2", "pivot '-1' is no layer index"),
        ("split|1.5|0.4|0.3", "pivot '1.5' is no layer index"),
        ("split|1##2|0.4|0.3|0.2|0.1", "pivot '' is no layer index"),
        ("split||0.4|0.3", "pivot '' is no layer index"),
        ("split|²|0.4|0.3", "pivot '²' is no layer index"),
        ("split|" + "9" * 5000 + "|0.4|0.3", "is no layer index"),
        ("split|10#20|x|0.3|0.2", "ratio 'x' is no number"),
        ("split|10#20||0.3|0.2", "ratio '' is no number"),
        ("split|10#20|0.4|0.3|", "ratio '' is no number"),
        ("split|10#20|0.4|0,3|0.2", "ratio '0,3' is no number"),
        ("split|10#20|nan|0.3|0.2", "ratio 'nan' is no number"),
        ("split|10#20|0.4|1.3|0.2", "ratio 1.3 lies outside [0, 1]"),
        ("split|10#20|0.4|-0.3|0.2", "ratio -0.3 lies outside [0, 1]"),
    ],
)
def test_malformed_tags_are_quoted_and_explained(tag: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_split_tag(tag, 0.3)
    assert str(caught.value).startswith(
        f"in split tag '{tag}': {message}" if len(tag) < 99 else "in split tag"
    )
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("save_name", "tag"),
    [
        ("pma_0.3_sft_rlhf", None),
        ("pma_0.3_sft_split|10#20|0.4|0.3|0.2_rlhf", "split|10#20|0.4|0.3|0.2"),
        ("split0|1|0|1", "split0|1|0|1"),
        ("my-split_model", None),
        ("", None),
    ],
)
def test_the_field_of_a_save_name_that_is_a_tag(save_name: str, tag: str | None) -> None:
    assert split_tag_in(save_name) == tag


def test_two_tags_in_a_save_name_are_refused() -> None:
    with pytest.raises(UserError, match="holds 2 fields that begin with 'split'; keep one"):
        split_tag_in("a_split|1|0|1_split|1|0|1")


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(0.3),
        Schedule(0.3, (1,), (0.1, 0.2), lm_head=0.5),
        Schedule(0.3, (1,), (0.1, 0.2), modules={"*": 0.5}),
    ],
)
def test_what_no_tag_can_express_is_refused(schedule: Schedule) -> None:
    with pytest.raises(UserError, match="only a part-wise schedule"):
        format_split_tag(schedule)


@pytest.mark.parametrize("character", "|#_")
def test_reserved_characters_in_a_models_tag(character: str) -> None:
    check_tag("sft-v1.5", "--tag0")
    with pytest.raises(UserError) as caught:
        check_tag(f"my{character}sft", "--tag0")
    assert f"--tag0 'my{character}sft' contains '{character}'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("1", 1), ("+.5", 0.5), ("1e-3", 0.001), ("1.", 1), ("-0.0", 0)]
)
def test_ratios_that_are_numbers(text: str, value: float) -> None:
    assert parse_ratio(text, "--alpha") == value


@pytest.mark.parametrize(
    "text", ["", " 0.3", "0.3 ", "0.3\n", "inf", "nan", "0x1", "1_0", "1e", ".", "three"]
)
def test_ratios_that_are_no_numbers(text: str) -> None:
    with pytest.raises(UserError, match=r"is no number; give one in \[0, 1\]"):
        parse_ratio(text, "--alpha")
