"""Curves of reward and skill one at a time, as tests compare them by hand."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ama.report.front.curves import hypervolumes, skills_at


class Point(NamedTuple):
    """One average, scored."""

    reward: float
    skill: float


def skill_at(curve: Sequence[Point], reward: float) -> float | None:
    """Return the best skill that a curve reaches at a reward, None where it does not reach that."""
    skill = float(
        skills_at(np.array([curve], dtype=np.float64), np.array([[reward]], dtype=np.float64))[0, 0]
    )
    return None if math.isnan(skill) else skill


def hypervolume(curve: Sequence[Point]) -> float:
    """Return the area of one curve of scaled points."""
    return float(hypervolumes(np.array([curve], dtype=np.float64))[0])
