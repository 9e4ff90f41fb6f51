"""Folders of sweeps as `ama.pareto` leaves them, of made-up models whose true scores are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np

from ama.evaluation.items import Items, write_items
from ama.evaluation.scores import Score, append_scores
from ama.evaluation.sweep.record import SCORES_NAME, Sweep, SweepMeasure, SweepPoint, write_sweep

REWARD = SweepMeasure("reward", "hh", "reward", {"samples": 1}, 0)
ARC = SweepMeasure("common_sense", "arc_easy", "acc", {"limit": None}, None)
PIQA = SweepMeasure("common_sense", "piqa", "acc", {"limit": None}, None)
SQUAD = SweepMeasure("reading", "squadv2", "f1", {"limit": None}, None)
WMT = SweepMeasure("translation", "wmt14-fr-en", "bleu", {"limit": None}, None)
GOLD = SweepMeasure("gold", "sandbox", "gold", {"samples": 1}, 0)
MEASURES = (REWARD, ARC, PIQA, SQUAD, WMT, GOLD)
BLOCKS = ("embeddings", "layers 0-1", "layers 2-3", "layers 4-5", "final norm", "lm_head")


@dataclass(frozen=True)
class Model:
    """A made-up model.

    Attributes:
        curve: its method; empty for a parent.
        mean: ratio.
        kept: share of the reward gain that it keeps.
        back: share of the tax that it gives back.
        schedule: name, the mean unless given.
    """

    curve: str
    mean: float
    kept: float
    back: float
    schedule: str = ""

    @property
    def weights(self) -> str:
        """Fingerprint: the plain averages at both ends are the parents."""
        if self.curve == "plain averaging" and self.mean in (0, 1):
            return "/before" if self.mean else "/after"
        return f"{self.curve}/{self.schedule or self.mean}"


BEFORE, AFTER = Model("", 1.0, 0.0, 1.0, "before"), Model("", 0.0, 1.0, 0.0, "after")


def plain(mean: float) -> Model:
    """A plain average on a bulging front."""
    return Model("plain averaging", mean, 1 - mean**2.4, 1 - (1 - mean) ** 2.4, repr(mean))


def better(curve: str, mean: float, gain: float) -> Model:
    """An average that gives back more of the tax than plain averaging at the same mean."""
    base = plain(mean)
    return Model(
        curve, mean, base.kept, base.back + gain, f"split|1#3|{mean + 0.2:g}|{mean:g}|{mean - 0.1:g}"
    )


MODELS = (
    BEFORE,
    AFTER,
    *(plain(round(i / 10, 1)) for i in range(11)),
    *(better("input third", mean, 0.12) for mean in (0.2, 0.3, 0.4, 0.5)),
    *(better("AMA, text", mean, 0.05) for mean in (0.1, 0.2, 0.3)),
    *(better("AMA, reply", mean, -0.15) for mean in (0.1, 0.2, 0.3, 0.4)),
)


def save_sweep(
    folder: Path,
    models: Sequence[Model] = MODELS,
    measures: Sequence[SweepMeasure] = MEASURES,
    *,
    seed: int = 0,
    items: int = 400,
    tax: float = 0.2,
    with_items: bool = True,
    failures: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Write a sweep, the numbers drawn on the same items for all models.

    Args:
        folder: where.
        models: before, after, then the averages.
        measures: what is measured.
        seed: of the items.
        items: of each measure.
        tax: by how much after is worse, as a share of each skill.
        with_items: whether the items are kept.
        failures: why a number is missing, by the model's weights and the measure's name.
    """
    failures = failures or {}
    points = tuple(SweepPoint(m.curve, m.schedule, m.mean, _ratios(m), m.weights) for m in models)
    write_sweep(folder, Sweep("models/before", "models/after", points, tuple(measures), failures))
    path = folder / SCORES_NAME
    scores = []
    for number, measure in enumerate(measures):
        for model in models:
            if measure.name in failures.get(model.weights, {}):
                continue
            held = _items(measure, model, tax, items, [seed, number])
            score = _score(measure, model, held, items)
            scores.append(score)
            if with_items:
                write_items(path, score, held)
    append_scores(path, scores)
    return folder


def _ratios(model: Model) -> dict[str, float]:
    steps = (0.2, 0.2, 0.0, -0.1, 0.0, 0.0) if model.schedule.startswith("split") else (0.0,) * 6
    return {block: min(1.0, max(0.0, model.mean + step)) for block, step in zip(BLOCKS, steps, strict=True)}


def _items(measure: SweepMeasure, model: Model, tax: float, count: int, seed: Sequence[int]) -> Items:
    # Models of the same truth have the same items.
    truth = crc32(f"{model.kept} {model.back}".encode())
    shared, own = np.random.default_rng(seed), np.random.default_rng([*seed, truth])
    if measure.group in ("reward", "gold", "pairrm"):
        # The true score falls where the reward is over-optimised.
        mean = 2.0 * model.kept - (1.2 * model.kept**3 if measure.group == "gold" else 0.0)
        return _column(mean + shared.normal(0, 1, count) + own.normal(0, 0.4, count))
    level = 1 - tax * (1 - model.back)
    if measure.group == "translation":
        difficulty = shared.beta(8, 4, count)
        totals = np.stack([np.full(count, 12 - order) for order in range(4)], axis=1)
        chance = np.clip(level * difficulty, 0, 1)[:, None] ** (1 + 0.25 * np.arange(4))
        counts = np.floor(chance * totals + shared.random((count, 4)))
        rows = np.concatenate([np.full((count, 2), 12), np.minimum(counts, totals), totals], axis=1)
        return Items("bleu", tuple(tuple(map(float, row)) for row in rows))
    top = {"arc_easy": 0.8, "piqa": 0.72, "squadv2": 0.6}[measure.task]
    unit = 100.0 if measure.group == "reading" else 1.0
    shift = own.normal(0, 0.03, count)
    return _column(unit * (shared.random(count) + shift < top * level))


def _column(values: np.ndarray) -> Items:
    return Items("mean", tuple((float(value),) for value in values))


def _score(measure: SweepMeasure, model: Model, items: Items, count: int) -> Score:
    value = float(items.values(np.ones((1, count)))[0])
    column = [row[0] for row in items.rows]
    stderr = None if items.kind == "bleu" else float(np.std(column, ddof=1) / count**0.5)
    return Score(
        model="models/before + models/after",
        schedule=model.schedule,
        group=measure.group,
        task=measure.task,
        metric=measure.metric,
        value=value,
        stderr=stderr,
        n=count,
        seed=measure.seed,
        backend="transformers" if measure.group in ("reward", "gold") else "lm_eval",
        backend_version="5.23.0" if measure.group in ("reward", "gold") else "0.4.13",
        settings={**measure.settings, "weights": model.weights, "ratio": model.mean},
        date="2026-01-01T00:00:00+00:00",
        commit="0123456789abcdef0123456789abcdef01234567",
    )


def without_tax(models: Sequence[Model]) -> list[Model]:
    """Return the models with after as good as before in all skills."""
    return [replace(model, back=1.0) for model in models]
