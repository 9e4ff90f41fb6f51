"""The figures of a reward-tax front, on sweeps whose truth is known."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.curves import Point, hypervolume, skill_at
from support.sweeps import (
    AFTER,
    ARC,
    BEFORE,
    GOLD,
    PIQA,
    REWARD,
    SQUAD,
    WMT,
    better,
    plain,
    save_sweep,
    without_tax,
)

from ama.errors import UserError
from ama.evaluation.items import items_path
from ama.evaluation.scores import read_scores
from ama.evaluation.sweep.record import SweepMeasure
from ama.report.front.estimate import factor_of
from ama.report.front.figures import read_front
from ama.report.front.model import Front, FrontCurve
from ama.report.front.style import styles
from ama.settings.report import FrontSettings

SETTINGS = FrontSettings(draws=300)
PLAIN = tuple(plain(mean) for mean in (0.2, 0.4, 0.6, 0.8))
SMALL = (REWARD, ARC, SQUAD)


def _front(*folders: Path, settings: FrontSettings = SETTINGS) -> Front:
    return read_front(folders, settings)


def _curve(front: Front, name: str) -> FrontCurve:
    return next(curve for curve in front.curves if curve.name == name)


def _plane(front: Front, numbers: tuple[int, ...]) -> list[Point]:
    places = (front.points[number].scaled for number in numbers)
    return [Point(place[0].value, place[1].value) for place in places if place is not None]


def test_scores_are_those_of_the_paper(tmp_path: Path) -> None:
    drop = SweepMeasure("reading", "drop", "f1", {}, None)
    folder = save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN], (REWARD, ARC, PIQA, SQUAD, WMT, GOLD))
    front = _front(folder)
    rows = {row.task: row.value for row in read_scores(folder / "scores.jsonl") if row.schedule == "0.4"}
    scores = next(point.scores for point in front.points if point.schedule == "0.4")
    common = 100 * (rows["arc_easy"] + rows["piqa"]) / 2
    assert scores["reward"].value == rows["hh"]
    assert scores["common_sense"].value == pytest.approx(common)
    assert scores["reading"].value == rows["squadv2"]
    assert scores["translation"].value == rows["wmt14-fr-en"]
    assert scores["skill"].value == pytest.approx((common + rows["squadv2"] + rows["wmt14-fr-en"]) / 3)
    assert scores["sandbox gold"].value == rows["sandbox"]
    # lm-eval's F1 of DROP is a share, that of SQuAD is not.
    lm_eval = [replace(read_scores(folder / "scores.jsonl")[0], backend="lm_eval")]
    assert factor_of(drop, lm_eval) == 100
    assert factor_of(drop, [replace(lm_eval[0], backend="opencompass")]) == 1
    assert factor_of(SQUAD, lm_eval) == 1


def test_errors_are_those_of_the_items(tmp_path: Path) -> None:
    folder = save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN], (REWARD, ARC))
    front = _front(folder, settings=FrontSettings(draws=2000))
    for row in read_scores(folder / "scores.jsonl"):
        point = next(point for point in front.points if point.schedule == row.schedule)
        name, unit = ("reward", 1) if row.group == "reward" else ("skill", 100)
        assert point.scores[name].error == pytest.approx(unit * row.stderr, rel=0.06)


def test_an_identical_curve_lies_at_no_distance(tmp_path: Path) -> None:
    twins = [replace(model, curve="twin") for model in PLAIN]
    # So far apart that no draw changes the order of the points.
    front = _front(save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN, *twins], SMALL, items=4000, tax=0.5))
    curve = _curve(front, "twin")
    assert curve.distance is not None
    assert curve.gain is not None
    for estimate in (curve.distance, curve.gain, *(front.points[n].distance for n in curve.points[1:-1])):
        assert estimate is not None
        assert (estimate.value, estimate.error) == pytest.approx((0, 0), abs=1e-9)


def test_pairing_on_items_narrows_the_intervals(tmp_path: Path) -> None:
    models = [BEFORE, AFTER, *PLAIN, *(better("input third", mean, 0.1) for mean in (0.4, 0.6))]
    paired = _front(save_sweep(tmp_path / "paired", models, SMALL))
    unpaired = _front(save_sweep(tmp_path / "unpaired", models, SMALL, with_items=False))
    ours, theirs = (_curve(front, "input third") for front in (paired, unpaired))
    for name in ("distance", "gain"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert one.value == pytest.approx(other.value)
        assert 0 < 2 * (one.high - one.low) < other.high - other.low
    assert any("hh reward has no items that give its number at 8 points" in note for note in unpaired.notes)
    assert paired.notes == ()


def test_distances_and_areas_are_those_of_the_points(tmp_path: Path) -> None:
    front = _front(save_sweep(tmp_path))
    base, curve = _curve(front, "plain averaging"), _curve(front, "input third")
    assert base.hypervolume.value == pytest.approx(hypervolume(_plane(front, base.points)))
    assert curve.hypervolume.value == pytest.approx(hypervolume(_plane(front, curve.points)))
    assert base.gain is base.plain is base.distance is None
    # The means .2 to .5 are among plain averaging's own.
    same = [n for n in base.points if front.points[n].mean in (0.0, 0.2, 0.3, 0.4, 0.5, 1.0)]
    assert curve.plain is not None
    assert curve.plain.value == pytest.approx(hypervolume(_plane(front, tuple(same))))
    raw = [
        Point(front.points[n].scores["reward"].value, front.points[n].scores["skill"].value)
        for n in base.points
    ]
    distances = []
    for number in curve.points[1:-1]:
        point = front.points[number]
        there = skill_at(raw, point.scores["reward"].value)
        assert there is not None
        assert point.distance is not None
        assert point.distance.value == pytest.approx(point.scores["skill"].value - there)
        distances.append(point.distance.value)
    assert curve.distance is not None
    assert curve.distance.value == pytest.approx(np.mean(distances))
    assert _curve(front, "AMA, reply").distance.high < 0 < curve.distance.low  # type: ignore[union-attr, operator]


def test_averages_that_are_a_parent_stand_once(tmp_path: Path) -> None:
    front = _front(save_sweep(tmp_path))
    assert [point.mean for point in front.line("plain averaging")] == [i / 10 for i in range(11)]
    assert sum(point.mean in (0.0, 1.0) for point in front.points) == 2


def test_the_recommended_point_keeps_the_reward(tmp_path: Path) -> None:
    folder = save_sweep(tmp_path)
    for loss in (0.0, 0.05, 0.2, 1.0):
        front = _front(folder, settings=replace(SETTINGS, draws=20, most_loss=loss))
        choice = front.choices[0]
        point = front.points[choice.point]
        able = [p for p in front.points if p.scaled is not None and p.scaled[0].value >= 1 - loss]
        assert point in able
        assert point.scores["skill"].value == max(p.scores["skill"].value for p in able)
        (_, to_before), (to_after, _) = choice.gaps
        assert to_before.value == pytest.approx(
            point.scores["skill"].value - front.points[0].scores["skill"].value
        )
        assert to_after.value == pytest.approx(
            point.scores["reward"].value - front.points[1].scores["reward"].value
        )


def test_without_a_tax_nothing_is_scaled(tmp_path: Path) -> None:
    models = without_tax([BEFORE, AFTER, *PLAIN])
    models[1] = replace(AFTER, back=1.2)
    front = _front(save_sweep(tmp_path, models, SMALL))
    assert front.no_tax is not None
    assert front.no_tax.startswith("There is no alignment tax here: reward ")
    assert front.curves == front.choices == ()
    assert all(point.known and point.scaled is point.distance is None for point in front.points)


def test_a_weak_tax_is_told(tmp_path: Path) -> None:
    front = _front(save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN], SMALL, tax=0.02, seed=3))
    assert front.no_tax is None
    assert any("of the bootstrap's draws there is no tax" in note for note in front.notes)


def test_missing_numbers_are_marked(tmp_path: Path) -> None:
    failures = {PLAIN[1].weights: {"squadv2 f1": "out of memory"}}
    front = _front(save_sweep(tmp_path / "one", [BEFORE, AFTER, *PLAIN], SMALL, failures=failures))
    point = next(point for point in front.points if point.schedule == "0.4")
    assert point.failed == {"squadv2 f1": "out of memory"}
    assert not point.known
    assert not point.best
    assert point.scores["common_sense"].known
    assert len(_curve(front, "plain averaging").points) == len(PLAIN) + 2 - 1
    assert "plain averaging 0.4: squadv2 f1 is missing (out of memory)." in front.notes
    failures = {BEFORE.weights: {"squadv2 f1": "out of memory"}}
    front = _front(save_sweep(tmp_path / "two", [BEFORE, AFTER, *PLAIN], SMALL, failures=failures))
    assert front.no_tax is not None
    assert "before RLHF was not measured whole (squadv2 f1: out of memory)" in front.no_tax


def test_items_of_another_number_are_not_used(tmp_path: Path) -> None:
    folder = save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN], SMALL)
    path = folder / "scores.jsonl"
    row = next(row for row in read_scores(path) if row.task == "arc_easy" and row.schedule == "0.4")
    items_path(path, row).write_text('{"kind": "mean", "rows": [[0.0], [1.0]]}')
    front = _front(folder)
    assert any("arc_easy acc has no items that give its number at 1 point:" in note for note in front.notes)


def test_seeds_are_pooled_with_students_interval(tmp_path: Path) -> None:
    models = [BEFORE, AFTER, *PLAIN, better("input third", 0.4, 0.1)]
    folders = [save_sweep(tmp_path / str(seed), models, SMALL, seed=seed) for seed in range(3)]
    parts = [_front(folder) for folder in folders]
    pooled = _front(*folders)
    number = len(models) - 1
    values = [part.points[number].scaled[1].value for part in parts]  # type: ignore[index]
    scaled = pooled.points[number].scaled
    assert scaled is not None
    assert scaled[1].value == pytest.approx(np.mean(values))
    reach = 4.302653 * np.std(values, ddof=1) / math.sqrt(3)
    assert scaled[1].high == pytest.approx(np.mean(values) + reach)
    areas = [_curve(part, "input third").hypervolume.value for part in parts]
    assert _curve(pooled, "input third").hypervolume.value == pytest.approx(np.mean(areas))
    changes = [p.points[number].scores["reading"].value - p.points[0].scores["reading"].value for p in parts]
    assert pooled.points[number].scores["reading"].value == pytest.approx(np.mean(changes))
    assert [part.folders for part in pooled.parts] == [(str(folder),) for folder in folders]


def test_a_sweep_of_a_pool_without_a_tax_is_named(tmp_path: Path) -> None:
    one = save_sweep(tmp_path / "one", [BEFORE, AFTER, *PLAIN], SMALL)
    models = without_tax([BEFORE, AFTER, *PLAIN])
    models[1] = replace(AFTER, back=1.2)
    front = _front(one, save_sweep(tmp_path / "two", models, SMALL))
    assert front.no_tax is not None
    assert front.no_tax.startswith(f"{tmp_path / 'two'}: There is no alignment tax")


def test_the_reward_can_be_chosen(tmp_path: Path) -> None:
    folder = save_sweep(tmp_path / "gold", [BEFORE, AFTER, *PLAIN], (REWARD, ARC, GOLD))
    front = _front(folder, settings=replace(SETTINGS, reward="sandbox gold"))
    assert front.columns[0].label == "reward (sandbox gold)"
    with pytest.raises(UserError, match=r"--reward x: not among the measures of .*: hh reward, arc_easy acc"):
        _front(folder, settings=replace(SETTINGS, reward="x"))
    for measures, text in (((ARC,), "no reward was measured"), ((REWARD, GOLD), "no skill was measured")):
        with pytest.raises(UserError, match=text):
            _front(save_sweep(tmp_path / text, [BEFORE, AFTER], measures))


def test_without_a_reward_model_pairrm_is_the_reward(tmp_path: Path) -> None:
    pairrm = SweepMeasure("pairrm", "hh", "win_rate", {"samples": 1}, 0)
    front = _front(save_sweep(tmp_path, [BEFORE, AFTER, *PLAIN], (ARC, pairrm)))
    assert [column.label for column in front.columns[:2]] == ["reward (hh win_rate)", "mean skill"]
    assert front.points[1].scores["skill"].value == front.points[1].scores["common_sense"].value


def test_curves_of_one_colour_have_different_markers() -> None:
    look = styles([*(f"curve {i}" for i in range(12)), "plain averaging"])
    assert look["plain averaging"] == styles(["plain averaging"])["plain averaging"]
    assert len(set(look.values())) == 13
