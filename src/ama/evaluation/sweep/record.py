"""What a sweep over averages is made of, as a file: points, their curves, and what is measured of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ama.checkpoint.whole_file import write_whole
from ama.errors import UserError
from ama.evaluation.scores import LIKELIHOOD, Score
from ama.settings.merging import Scope

SWEEP_NAME = "sweep.json"
SCORES_NAME = "scores.jsonl"
REWARD_GROUPS = ("reward", "pairrm")
"""The groups that are the reward's side of a front; the first that is measured is drawn."""
SHOWN_GROUPS = ("gold", "loss", LIKELIHOOD)
"""The groups that are shown beside a front and are no part of it: true scores, losses, likelihoods."""


@dataclass(frozen=True)
class SweepMeasure:
    """What is measured of every point, and the number that counts.

    Attributes:
        group: as in `Score`: one of REWARD_GROUPS, one of SHOWN_GROUPS, or a skill's.
        task: name of the task.
        metric: the number that counts; of rewards and skills larger is better.
        settings: of the rows, but for `weights` and `ratio`.
        seed: of the rows.
    """

    group: str
    task: str
    metric: str
    settings: Mapping[str, Any]
    seed: int | None

    @property
    def name(self) -> str:
        """Task and metric."""
        return f"{self.task} {self.metric}"


@dataclass(frozen=True)
class SweepPoint:
    """One average of a sweep.

    Attributes:
        curve: the method that it belongs to; empty for the two parents.
        schedule: as the user gave it.
        mean: mean ratio over all parameters, in [0, 1].
        ratios: mean ratio of each block by its label, from the input to the head.
        weights: fingerprint of the weights, as in the rows' settings.
    """

    curve: str
    schedule: str
    mean: float
    ratios: Mapping[str, float]
    weights: str


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Attributes:
        before: the model before RLHF.
        after: the model after RLHF.
        points: the parents, before first, then the averages, curve by curve in the order of the command.
        measures: what is measured of each.
        failures: why a number is missing, by the point's weights and the measure's name.
        scope: which parameters are averaged; learned ratios have their own.
    """

    before: str
    after: str
    points: tuple[SweepPoint, ...]
    measures: tuple[SweepMeasure, ...]
    failures: Mapping[str, Mapping[str, str]]
    scope: str = str(Scope.ALL)

    def rows(self, scores: Sequence[Score]) -> dict[tuple[str, str], Score]:
        """Return the rows that are there, by the point's weights and the measure's name.

        Args:
            scores: all rows, as the file has them; of two the later one counts.
        """
        wanted = {_key(measure): measure.name for measure in self.measures}
        weights = {point.weights for point in self.points}
        found = {}
        for score in scores:
            settings = dict(score.settings)
            made_of = settings.pop("weights", None)
            settings.pop("ratio", None)
            key = json.dumps([score.task, score.metric, settings, score.seed], sort_keys=True)
            if made_of in weights and key in wanted:
                found[made_of, wanted[key]] = score
        return found


def _key(measure: SweepMeasure) -> str:
    return json.dumps([measure.task, measure.metric, dict(measure.settings), measure.seed], sort_keys=True)


def write_sweep(folder: Path, sweep: Sweep) -> None:
    """Write sweep.json, which appears when it is whole."""
    write_whole(folder / SWEEP_NAME, [json.dumps(asdict(sweep), indent=1, ensure_ascii=False)])


def read_sweep(folder: Path) -> Sweep:
    """Read sweep.json.

    Raises:
        UserError: it is missing or malformed.
    """
    path = folder / SWEEP_NAME
    try:
        held = json.loads(path.read_bytes())
        points = tuple(SweepPoint(**point) for point in held.pop("points"))
        measures = tuple(SweepMeasure(**measure) for measure in held.pop("measures"))
        return Sweep(points=points, measures=measures, **held)
    except FileNotFoundError:
        raise UserError(f"{folder} holds no {SWEEP_NAME}: give the --out of `python -m ama.pareto`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no record of a sweep ({error!r}): run `python -m ama.pareto` again"
        ) from error
