"""Extrapolation beyond the model after RLHF (ExPO, Zheng et al. 2024, arXiv 2404.16792)."""

import math
from dataclasses import replace

from ama.averaging.methods import linear

# With ratio -a it is ExPO's after + a * (after - before): the same line as the average, on its other side.
METHOD = replace(
    linear.METHOD, formula="ratio * before + (1 - ratio) * after, beyond after below 0", low=-math.inf
)
