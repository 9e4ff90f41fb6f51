"""The report on losses: the latest row counts, and different ways of measuring are not set side by side."""

from dataclasses import replace
from pathlib import Path

import pytest

from ama.errors import UserError
from ama.evaluation.scores import Score
from ama.report.losses import latest_losses, plot_losses, tasks_of


def _score(model: str, task: str, value: float, schedule: str = "", ratio: float | None = None) -> Score:
    settings = {"data": "abc", "block_size": 8, "max_blocks": None, "ratio": ratio}
    fixed = {"seed": None, "backend": "b", "backend_version": "1", "date": "d", "commit": "c"}
    return Score(model, schedule, "loss", task, "loss", value, stderr=0.1, n=9, settings=settings, **fixed)


SCORES = [
    _score("m/before", "prose", 3.0),
    _score("m/before", "code", 4.0),
    _score("m/half", "prose", 9.9, "0.5", 0.5),
    _score("m/half", "code", 3.2, "0.5", 0.5),
    _score("m/parts", "prose", 3.1, "split|1#3|0.6|0.4|0.2", 0.4),
    _score("m/after", "prose", 4.0),
    _score("m/after", "code", 3.0),
    _score("m/half", "prose", 3.2, "0.5", 0.5),
    replace(_score("m/after", "code", 20.0), metric="perplexity"),
    replace(_score("m/after", "code", 20.0), group="reward"),
]


def test_models_and_texts_keep_their_order_and_the_latest_row_counts() -> None:
    models = latest_losses(SCORES, "loss")
    assert [model.name for model in models] == ["before", "half", "parts", "after"]
    assert tasks_of(models) == ["prose", "code"]
    assert {task: score.value for task, score in models[1].scores.items()} == {"prose": 3.2, "code": 3.2}


def test_plain_and_part_wise_averages_are_told_apart() -> None:
    before, half, parts, _ = latest_losses(SCORES, "loss")
    assert [model.is_part_wise for model in (before, half, parts)] == [False, False, True]


def test_different_ways_of_measuring_are_refused() -> None:
    other = _score("m/other", "code", 1.0)
    with pytest.raises(UserError, match="'code' can't be compared: block_size is 16 and 8"):
        latest_losses([*SCORES, replace(other, settings={**other.settings, "block_size": 16})], "loss")


def test_no_scores_of_the_metric_are_a_mistake() -> None:
    with pytest.raises(UserError, match="no scores of metric 'perplexity'"):
        latest_losses(SCORES[:2], "perplexity")


def test_the_plot_has_a_panel_per_text_and_the_points_at_their_ratios(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    drawn: list[tuple[str, list[float], list[float]]] = []
    errorbar = Axes.errorbar

    def record(self: Axes, x: list[float], y: list[float], *rest: object, **style: object) -> object:
        drawn.append((str(style["label"]), list(x), list(y)))
        return errorbar(self, x, y, *rest, **style)

    monkeypatch.setattr(Axes, "errorbar", record)
    plot_losses(latest_losses(SCORES, "loss"), "loss", "m/before", "m/after", tmp_path / "plots" / "a.png")
    assert drawn == [
        ("plain average", [0.0, 0.5, 1.0], [4.0, 3.2, 3.0]),
        ("part-wise average", [0.4], [3.1]),
        ("before (1), after (0)", [1.0, 0.0], [3.0, 4.0]),
        ("plain average", [0.0, 0.5, 1.0], [3.0, 3.2, 4.0]),
        ("before (1), after (0)", [1.0, 0.0], [4.0, 3.0]),
    ]
    assert (tmp_path / "plots" / "a.png").read_bytes().startswith(b"\x89PNG")
