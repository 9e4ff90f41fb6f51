"""The schedule that a user gives: a ratio, a split tag, a YAML file, or a learned mask."""

from collections.abc import Callable, Iterable
from pathlib import Path

from ama.averaging.schedules.schedule import Schedule, Scope
from ama.averaging.schedules.split_tag import parse_ratio
from ama.averaging.schedules.yaml_file import read_schedule
from ama.averaging.sites import Site
from ama.errors import UserError

SiteCheck = Callable[[Iterable[Site]], None]
"""Raises UserError where a schedule does not fit the sites of a model."""


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
    from ama.averaging.schedules.mask_alphas import read_mask

    mask = read_mask(Path(text).expanduser())
    return mask.schedule(mean, extrapolate=extrapolate), mask.check


def given_schedule(text: str, alpha: float | None, scope: Scope) -> tuple[Schedule, SiteCheck | None]:
    """Read a schedule from one word of a command line.

    Args:
        text: a ratio, a split tag, or the path of a YAML file or a learned mask.
        alpha: ratio of the final norm and the head of a split tag, or the mean of a learned mask; in [0, 1].
        scope: which parameters are averaged; a learned mask has its own.

    Returns:
        The schedule, and a check that it fits a model where it needs one.

    Raises:
        UserError: it is none of these, or malformed.
    """
    if is_mask(text):
        return learned_schedule(text, alpha, extrapolate=False)
    if text.startswith("split") or Path(text).suffix in (".yaml", ".yml"):
        return read_schedule(alpha, text, "", scope), None
    try:
        return Schedule(parse_ratio(text, "--schedule"), scope=scope), None
    except UserError as error:
        raise UserError(f"{error}, or a split tag, a .yaml file or mask_alphas.bin") from None


def schedule_at(text: str, scope: Scope) -> tuple[Schedule, SiteCheck | None]:
    """Read a schedule that may bring its alpha with it: `SCHEDULE` or `SCHEDULE@RATIO`.

    Args:
        text: as of `given_schedule`, followed by the ratio that it calls alpha.
        scope: which parameters are averaged; a learned mask has its own.

    Raises:
        UserError: as `given_schedule`, or what follows the mark is no ratio.
    """
    schedule, mark, ratio = text.rpartition("@")
    if not mark:
        return given_schedule(text, None, scope)
    return given_schedule(schedule, parse_ratio(ratio, text), scope)
