"""A learned mask as the schedule of a merge."""

from pathlib import Path

from ama.core.schedule import Schedule
from ama.merging.command import SiteCheck


def is_mask(text: str) -> bool:
    """Tell whether a schedule is given by a learned mask: a .bin file, or a folder."""
    path = Path(text).expanduser()
    return path.suffix == ".bin" or path.is_dir()


def learned_schedule(text: str, mean: float | None, *, extrapolate: bool) -> tuple[Schedule, SiteCheck]:
    """Read mask_alphas.bin.

    Args:
        text: the file, or its folder.
        mean: re-normalise the learned pattern to this mean; None for the trained one.
        extrapolate: allow ratios above 1.

    Returns:
        The schedule, and the check that it fits a model.

    Raises:
        UserError: missing, unsafe or malformed file, or a ratio above 1.
    """
    from ama.masks.artifact import read_mask

    mask = read_mask(Path(text).expanduser())
    return mask.schedule(mean, extrapolate=extrapolate), mask.check
