"""The number that a curve's points differ in, as it stands in their schedules: the order of a curve."""

import re
from collections.abc import Sequence

# `0.3`, `PATTERN@0.3`, `PATTERN@price=.1`: a number, with a name or without, alone or after the last @.
_PARAMETER = re.compile(r"(?:^|@)(?:([A-Za-z_]\w*)=)?(\d*\.?\d+(?:[eE][-+]?\d+)?)$")


def parameters(schedules: Sequence[str], means: Sequence[float]) -> tuple[float, ...]:
    """Return what orders the points of a curve.

    Args:
        schedules: of the points, as the sweep names them.
        means: mean ratio of each.

    Returns:
        The number that each schedule ends in, where all of them do by the same name, such as `price`; else
        the mean ratios.
    """
    found = [_PARAMETER.search(schedule) for schedule in schedules]
    named = [match for match in found if match is not None]
    if len(named) < len(found) or len({match[1] for match in named}) > 1:
        return tuple(means)
    return tuple(float(match[2]) for match in named)


def in_order(places: Sequence[int], schedules: Sequence[str], means: Sequence[float]) -> list[int]:
    """Return the places of a curve's points by its parameter, as `parameters` finds it; ties by mean ratio.

    Args:
        places: to be put in order.
        schedules: of those.
        means: of those.
    """
    keys = zip(parameters(schedules, means), means, places, strict=True)
    return [place for _, _, place in sorted(keys)]
