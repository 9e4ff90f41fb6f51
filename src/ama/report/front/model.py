"""What the report of a reward-tax front is made of: points, curves and choices, each number an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ama.report.front.estimate import Estimate
from ama.report.front.parameter import in_order

REWARD, SKILL, CONTINUOUS = "reward", "skill", "continuous skill"
PLAIN = "plain averaging"
SHARES = (0.85, 0.9, 0.95, 0.975, 0.99)
"""Of the reward gain, at which gains over plain averaging are read."""
BEFORE, AFTER = 0, 1
"""The places of the parents among a front's points."""


@dataclass(frozen=True)
class Column:
    """A number that every point has.

    Attributes:
        name: unique: `reward`, `skill` (the mean over the groups), a group, `continuous skill`
            (the mean over the groups' likelihoods), such a likelihood, or a measure's task and metric.
        label: for people.
        panel: whether it is the score of a skill group, or the likelihood of its right answers.
    """

    name: str
    label: str
    panel: bool = False


@dataclass(frozen=True)
class FrontPoint:
    """A model: a parent or an average.

    Attributes:
        curve: the method; empty for a parent.
        schedule: as the sweep names it; `before` and `after` for the parents.
        mean: mean ratio.
        ratios: mean ratio by block, from the input to the head.
        scores: by column; of pooled sweeps the change from before.
        scaled: reward (0 before, 1 after) and skill (0 after, 1 before), None without a tax.
        best: whether no other point is as good in both and better in one.
        distance: skill minus plain averaging's at the same reward, in points of skill; None for points of
            plain averaging and for parents.
        scaled_distance: the same as a share of the tax.
        failed: why a number is missing, by measure.
    """

    curve: str
    schedule: str
    mean: float
    ratios: Mapping[str, float]
    scores: Mapping[str, Estimate]
    scaled: tuple[Estimate, Estimate] | None
    best: bool
    distance: Estimate | None
    scaled_distance: Estimate | None
    failed: Mapping[str, str]

    @property
    def known(self) -> bool:
        """Whether it has a place in the plane of reward and skill."""
        return self.scores[REWARD].known and self.scores[SKILL].known

    @property
    def label(self) -> str:
        """Curve and schedule."""
        return f"{self.curve} {self.schedule}".strip()


@dataclass(frozen=True)
class FrontCurve:
    """A method.

    Attributes:
        name: of the curve.
        points: numbers of its points with a place, after first and before last, by mean ratio.
        hypervolume: the area above the parents' corner, in scaled units; 0.5 is the straight line.
        plain: that of plain averaging at the same mean ratios; None for plain averaging, or without it.
        gain: the first minus the second, paired.
        distance: mean of its points' `distance`.
        scaled_distance: mean of their `scaled_distance`.
    """

    name: str
    points: tuple[int, ...]
    hypervolume: Estimate
    plain: Estimate | None
    gain: Estimate | None
    distance: Estimate | None
    scaled_distance: Estimate | None


@dataclass(frozen=True)
class Choice:
    """A point that the report singles out, with its gap to each parent.

    Attributes:
        title: what it was chosen for.
        point: its number.
        gaps: point minus parent: (reward, skill) to before, then (reward, skill) to after.
    """

    title: str
    point: int
    gaps: tuple[tuple[Estimate, Estimate], tuple[Estimate, Estimate]]


@dataclass(frozen=True)
class Gain:
    """By how much a method exceeds plain averaging at equal reward.

    Attributes:
        curve: the method.
        column: of the skill.
        share: of the reward gain that both keep, in (0, 1).
        gain: in points of the skill, NaN where it can't be read.
        why: why it can't, empty if it can.
    """

    curve: str
    column: str
    share: float
    gain: Estimate
    why: str


@dataclass(frozen=True)
class Front:
    """All figures of one sweep, or of several pooled.

    Attributes:
        folders: the sweeps.
        columns: reward, skill, then the rest.
        points: before, after, then the averages, curve by curve.
        curves: empty without a tax.
        choices: the recommended schedule first; empty without a tax.
        no_tax: why there are no scaled figures, None where there are.
        notes: what a reader must know to trust the numbers, a sentence each.
        facts: provenance: label and value.
        parts: the front of each sweep, where several are pooled.
        gains: over plain averaging at equal reward, by curve, share and column.
    """

    folders: tuple[str, ...]
    columns: tuple[Column, ...]
    points: tuple[FrontPoint, ...]
    curves: tuple[FrontCurve, ...]
    choices: tuple[Choice, ...]
    no_tax: str | None
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    parts: tuple[Front, ...] = ()
    gains: tuple[Gain, ...] = ()

    @property
    def pooled(self) -> bool:
        """Whether it stands for several sweeps."""
        return bool(self.parts)

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the curves, with or without a tax."""
        return tuple(dict.fromkeys(point.curve for point in self.points if point.curve))

    def line(self, method: str) -> list[FrontPoint]:
        """Return the points of a method that have a place, by its parameter, a parent at each end."""
        inner = [point for point in self.points if point.curve == method and point.known]
        ends = [[self.points[place]] if self.points[place].known else [] for place in (AFTER, BEFORE)]
        schedules, means = ([point.schedule for point in inner], [point.mean for point in inner])
        order = in_order(range(len(inner)), schedules, means)
        return [*ends[0], *(inner[number] for number in order), *ends[1]]

    def place(self, point: FrontPoint, column: str = SKILL) -> tuple[float, float, float, float]:
        """Return where a point is drawn: reward, the column's score, and the standard errors of both.

        Pooled sweeps are drawn in scaled units, and their groups and measures as changes from before.
        """
        reward, score = point.scores[REWARD], point.scores[column]
        if self.pooled and point.scaled is not None:
            reward = point.scaled[0]
            score = point.scaled[1] if column == SKILL else score
        return reward.value, score.value, reward.error or 0.0, score.error or 0.0

    def score_label(self, column: str) -> str:
        """Return what the scores of a column are: of pooled sweeps, changes."""
        label = next(entry.label for entry in self.columns if entry.name == column)
        return f"{label.split(' (')[0]}, change from before" if self.pooled else label

    def axis_label(self, column: str) -> str:
        """Return what an axis shows; see `place`."""
        if self.pooled and self.no_tax is None and column in (REWARD, SKILL):
            return f"scaled {column}"
        return self.score_label(column)
