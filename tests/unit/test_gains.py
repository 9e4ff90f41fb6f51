"""Gains over plain averaging at equal reward: interpolation, pairing, coverage, and worlds pooled."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.sweeps import AFTER, ARC, BEFORE, REWARD, SQUAD, Model, better, plain, save_sweep

from ama.evaluation.sweep.record import SweepMeasure
from ama.report.front.curves import Array, skills_keeping
from ama.report.front.figures import read_front
from ama.report.front.gains import gains_json
from ama.report.front.model import CONTINUOUS, SHARES, SKILL, Front, Gain
from ama.report.front.parameter import in_order, parameters
from ama.report.front.tables import front_markdown
from ama.settings.report import FrontSettings

PLAIN = tuple(plain(mean) for mean in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8))
METHOD = tuple(better("method", mean, 0.1) for mean in (0.1, 0.2, 0.3, 0.4, 0.6))
SMALL = (REWARD, ARC, SQUAD)
ARC_LIKELIHOOD = SweepMeasure("likelihood", "arc_easy", "likelihood", {"limit": None}, None)


def _front(*folders: Path, draws: int = 200) -> Front:
    return read_front(folders, FrontSettings(draws=draws))


def _gain(front: Front, share: float = 0.95, column: str = SKILL, curve: str = "method") -> Gain:
    (found,) = [
        gain for gain in front.gains if (gain.curve, gain.column, gain.share) == (curve, column, share)
    ]
    return found


def _at(points: list[tuple[float, ...]], reward: float) -> list[float]:
    found: list[float] = skills_keeping(np.array([points]), np.array([reward]))[0].tolist()
    return found


def test_a_skill_lies_on_the_line_between_neighbours() -> None:
    curve = [(1.0, 0.0, 10.0), (0.8, 0.4, 30.0), (0.0, 1.0, 40.0)]
    assert _at(curve, 0.9) == pytest.approx([0.2, 20])
    assert _at(curve, 0.4) == pytest.approx([0.7, 35])
    assert _at(curve, 1.0) == pytest.approx([0, 10])
    assert _at(curve, 0.0) == pytest.approx([1, 40])


def test_of_several_crossings_the_last_counts_whatever_the_skill() -> None:
    # Down through .9, up again, and down once more.
    curve = [(1.0, 0.0), (0.8, 9.0), (1.0, 0.5), (0.8, 0.7), (0.0, 1.0)]
    assert _at(curve, 0.9) == pytest.approx([0.6])
    # A curve that ends while it rises: the rise is its last crossing.
    assert _at([(1.0, 0.0), (0.8, 9.0), (1.0, 0.5)], 0.9) == pytest.approx([4.75])
    # A stretch without a change in reward has its end.
    assert _at([(1.0, 0.0), (0.9, 1.0), (0.9, 3.0)], 0.9) == pytest.approx([3])


def test_nothing_is_extrapolated() -> None:
    curve = [(0.98, 0.3), (0.93, 0.5)]
    assert all(math.isnan(_at(curve, reward)[0]) for reward in (0.92, 0.99))
    assert math.isnan(_at([(0.95, 0.3)], 0.95)[0])
    assert math.isnan(_at(curve, math.nan)[0])


@pytest.mark.parametrize(
    ("schedules", "expected"),
    [
        (["0.3", "0.1", ".2"], (0.3, 0.1, 0.2)),
        (["split|1#3|0.6|0.1|0.1@0.3", "split|1#3|0.4|0.1|0.1@0.2", "a@1"], (0.3, 0.2, 1)),
        (["out/masks@price=.1", "out/masks@price=3e-2", "out/masks@price=1"], (0.1, 0.03, 1)),
        # Not all of one kind, or none at all: by mean ratio.
        (["out/masks@price=.1", "out/masks@0.2", "x"], (7, 8, 9)),
        (["out/masks@price=.1", "out/masks@mean=0.2", "out/masks@price=1"], (7, 8, 9)),
        (["one.yaml", "two.yaml", "checkpoint-0.3"], (7, 8, 9)),
    ],
)
def test_a_curve_is_ordered_by_the_number_in_its_schedules(
    schedules: list[str], expected: tuple[float, ...]
) -> None:
    assert parameters(schedules, [7, 8, 9]) == expected


def test_prices_order_a_curve_where_means_do_not() -> None:
    assert in_order([4, 5, 6], ["m@price=.3", "m@price=.03", "m@price=.1"], [0.5, 0.6, 0.7]) == [5, 6, 4]
    assert in_order([4, 5], ["a", "b"], [0.5, 0.2]) == [5, 4]


def _points(models: tuple[Model, ...]) -> Array:
    """Return the true reward, and the true accuracy in percent."""
    return np.array([(2 * model.kept, 80 * (1 - 0.2 * (1 - model.back))) for model in models])


def _truth(share: float) -> float:
    base, own = _points((AFTER, *PLAIN, BEFORE)), _points(METHOD)
    level = np.array([2 * share])
    return float((skills_keeping(own[None], level) - skills_keeping(base[None], level))[0, 0])


def test_gains_are_those_of_the_points(tmp_path: Path) -> None:
    folder = save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN, *METHOD], (REWARD, ARC, ARC_LIKELIHOOD))
    front = _front(folder)
    assert {gain.share for gain in front.gains} == set(SHARES)
    planes = {
        column: np.array([[point.scores["reward"].value, point.scores[column].value] for point in points])
        for column in (SKILL, CONTINUOUS)
        for points in [front.line("plain averaging")]
    }
    for column, base in planes.items():
        own = np.array([(p.scores["reward"].value, p.scores[column].value) for p in front.line("method")])
        level = np.array([base[-1, 0] + 0.95 * (base[0, 0] - base[-1, 0])])
        expected = skills_keeping(own[None, 1:-1], level) - skills_keeping(base[None], level)
        found = _gain(front, column=column).gain
        assert found.value == pytest.approx(expected[0, 0])
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
    held = json.loads(gains_json(front))
    assert held["intervals"] == "bootstrap paired on items"
    (record,) = [
        one for one in held["gains"] if (one["score"], one["share"]) == (CONTINUOUS, 0.95) and one["curve"]
    ]
    assert record["gain"] == _gain(front, column=CONTINUOUS).gain.value
    assert record["half_width"] == pytest.approx((record["high"] - record["low"]) / 2)


def test_a_curve_that_does_not_reach_a_share_says_so(tmp_path: Path) -> None:
    few = (better("method", 0.2, 0.1), better("method", 0.3, 0.1))
    alone = better("alone", 0.3, 0.1)
    front = _front(save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN, *few, alone], (REWARD, ARC)))
    assert _gain(front).gain.known
    for share in (0.85, 0.99):
        assert not _gain(front, share).gain.known
        assert _gain(front, share).why.startswith("its points keep 9")
    assert _gain(front, curve="alone").why.startswith("its only point keeps 9")
    assert "not reached (its points keep 9" in front_markdown(front)
    assert all("gain" in one for one in json.loads(gains_json(front))["gains"])


def test_a_twin_of_plain_averaging_gains_nothing(tmp_path: Path) -> None:
    twins = [replace(model, curve="method") for model in PLAIN]
    front = _front(save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN, *twins], (REWARD, ARC), items=2000))
    for share in (0.9, 0.95, 0.975):
        gain = _gain(front, share).gain
        assert (gain.value, gain.error) == pytest.approx((0, 0), abs=1e-9)


def test_pairing_on_items_narrows_the_interval(tmp_path: Path) -> None:
    models = [BEFORE, AFTER, *PLAIN, *METHOD]
    paired, unpaired = (
        _gain(_front(save_sweep(tmp_path / str(kept), models, SMALL, with_items=kept)), 0.85).gain
        for kept in (True, False)
    )
    assert paired.value == pytest.approx(unpaired.value)
    assert paired.error is not None
    assert unpaired.error is not None
    assert 2 * paired.error < unpaired.error


def test_the_interval_holds_the_true_gain_as_often_as_it_says(tmp_path: Path) -> None:
    models, count, held = [BEFORE, AFTER, *PLAIN, *METHOD], 60, 0
    for seed in range(count):
        folder = save_sweep(tmp_path / str(seed), models, (REWARD, ARC), seed=seed, items=300)
        gain = _gain(_front(folder), 0.85).gain
        assert gain.low is not None
        assert gain.high is not None
        held += gain.low <= _truth(0.85) <= gain.high
    # Of 60 intervals at 95 %, fewer than 52 hold the truth by chance about once in 300 tries.
    assert held >= 52


def test_worlds_are_pooled_by_students_interval(tmp_path: Path) -> None:
    models = [BEFORE, AFTER, *PLAIN, *METHOD]
    folders = [save_sweep(tmp_path / str(seed), models, (REWARD, ARC), seed=seed) for seed in range(3)]
    front = _front(*folders)
    values = [_gain(part).gain.value for part in front.parts]
    found = _gain(front).gain
    error = float(np.std(values, ddof=1)) / math.sqrt(3)
    assert (found.value, found.error) == pytest.approx((np.mean(values), error))
    assert found.high == pytest.approx(found.value + 4.302653 * error)
    assert json.loads(gains_json(front))["intervals"] == "Student's t over sweeps"


def test_a_world_that_lacks_a_gain_leaves_the_pool_open(tmp_path: Path) -> None:
    short = [replace(model, kept=model.kept - 0.08) for model in METHOD]
    folders = [
        save_sweep(tmp_path / "one", [BEFORE, AFTER, *PLAIN, *METHOD], (REWARD, ARC), items=2000),
        save_sweep(tmp_path / "two", [BEFORE, AFTER, *PLAIN, *short], (REWARD, ARC), items=2000),
    ]
    found = _gain(_front(*folders), 0.975)
    assert not found.gain.known
    assert found.why.startswith(f"{folders[1]}: its points keep")


def test_without_plain_averaging_there_are_no_gains(tmp_path: Path) -> None:
    assert _front(save_sweep(tmp_path, [BEFORE, AFTER, *METHOD], (REWARD, ARC))).gains == ()
