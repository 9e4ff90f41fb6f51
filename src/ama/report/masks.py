"""The result of a mask optimisation: artifact, plot of the path, and what the terminal says."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ama.averaging.schedules.mask_alphas import write_mask
from ama.ratios.optimize import Outcome
from ama.ratios.settings import MaskSettings
from ama.report.ratio_plot import plot_ratios

PLOT_NAME = "mask_alphas.png"


def write_outcome(outcome: Outcome, settings: MaskSettings, facts: Mapping[str, Any], out: Path) -> None:
    """Write mask_alphas.png, .json and .bin, in this order, and say where the ratios ended.

    Args:
        outcome: of the training or the search.
        settings: what decided the ratios; they go into the readable form.
        facts: what else goes into it: models, data, versions.
        out: an existing folder.
    """
    sys.stderr.writelines(f"{line}\n" for line in outcome.verdict)
    plot_ratios(outcome.path, outcome.mask.labels, settings.init_val, out / PLOT_NAME)
    result = {"metrics": outcome.metrics, "verdict": outcome.verdict, "path": outcome.path}
    write_mask(outcome.mask, out, {**facts, **asdict(settings), **result})
    sys.stderr.write(f"{out}: ratios {' '.join(f'{ratio:.4f}' for ratio in outcome.mask.ratios())}\n")
