"""The points of a sweep: the two models, and averages of them curve by curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ama.averaging.in_memory import LoadedPair
from ama.averaging.plan import MergePlan, plan_merges
from ama.averaging.schedules.grammar import read_schedule
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.sites import Part, Site
from ama.checkpoint.resolve import open_pair
from ama.errors import UserError
from ama.evaluation.subject import Subject, average_subject, model_subject, pair_name
from ama.evaluation.sweep.record import SweepPoint
from ama.settings.merging import Scope


@dataclass(frozen=True)
class Point:
    """One model of a sweep.

    Attributes:
        record: what the sweep's file says of it.
        subject: what is measured.
    """

    record: SweepPoint
    subject: Subject

    @property
    def name(self) -> str:
        """Curve and schedule; the model's label for a parent."""
        return f"{self.record.curve} {self.record.schedule}".strip() or self.subject.label


def points_of(
    before: str, after: str, curves: Mapping[str, Sequence[str | float]], scope: Scope
) -> list[Point]:
    """Plan every point of a sweep, before first, then after, then curve by curve; no weight is read.

    Args:
        before: the model before RLHF: folder or hub id.
        after: the model after RLHF, which may be a LoRA adapter on before.
        curves: the name of each method, and its schedules in the order of the curve.
        scope: which parameters are averaged; learned ratios have their own.

    Raises:
        UserError: there is no average, the models can't be averaged, or a schedule is malformed or does not
            fit them.
    """
    words = [(name, str(text)) for name, schedules in curves.items() for text in schedules]
    if not words:
        raise UserError("no average to measure: give --curve NAME SCHEDULE..., such as --curve plain 0.2 0.4")
    averages = [read_schedule(text, scope=scope) for _, text in words]
    pair = open_pair(before, after, (None, None))
    plans = plan_merges(*pair, [Schedule(1.0), Schedule(0.0), *averages])
    parents = [model_subject(source) for source in (before, after)]
    weights = LoadedPair(parents[0].load, parents[1].load)
    points = []
    for plan, parent in zip(plans, parents, strict=False):
        load = weights.loader(plan, as_before=parent is parents[0])
        # Their weights are in memory already.
        points.append(_point("", "", plan, replace(parent, folder=None, _load=load)))
    name = pair_name(before, after)
    for (curve, text), plan in zip(words, plans[2:], strict=True):
        points.append(_point(curve, text, plan, average_subject(plan, name, weights.loader(plan))))
    return points


def _point(curve: str, text: str, plan: MergePlan, subject: Subject) -> Point:
    record = SweepPoint(curve, text, plan.mean_ratio, _part_ratios(plan), subject.fingerprint)
    return Point(record, subject)


def _part_ratios(plan: MergePlan) -> dict[str, float]:
    """Return the mean ratio of the embeddings, each layer, the final norm and the head."""
    parts: dict[str, list[tuple[float, int]]] = {}
    for tensor in sorted(plan.tensors, key=lambda tensor: _place(tensor.site)):
        layer = tensor.site.layer
        label = str(tensor.site.part) if layer is None else f"layer {layer}"
        parts.setdefault(label, []).append((tensor.ratio, math.prod(tensor.shape)))
    return {
        label: math.fsum(ratio * size for ratio, size in found) / sum(size for _, size in found)
        for label, found in parts.items()
    }


def _place(site: Site) -> tuple[int, int]:
    return list(Part).index(site.part), site.layer or 0
