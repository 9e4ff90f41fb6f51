"""The part-wise schedule written as a split tag, `split|10#20|0.4|0.3|0.2`, alone or inside a save name."""

import re
from dataclasses import replace

from ama.averaging.methods import check_ratio
from ama.averaging.schedules.schedule import Schedule
from ama.errors import UserError
from ama.settings.merging import Method

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_LAYER = re.compile("[0-9]{1,6}")
_RESERVED = "|#_"


def is_number(text: str) -> bool:
    """Tell whether a word is a decimal number."""
    return _NUMBER.fullmatch(text) is not None


def parse_ratio(text: str, place: str, method: Method = Method.LINEAR) -> float:
    """Read one ratio.

    Args:
        text: a decimal number in the method's range, [0, 1] for most.
        place: where it stands, for the error.
        method: how it will be used.

    Raises:
        UserError: not a number, or outside the range.
    """
    if not is_number(text):
        raise UserError(f"{place}: ratio '{text}' is no number; give one in [0, 1], such as 0.3")
    try:
        check_ratio(float(text), method, text)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    return float(text)


def parse_split_tag(tag: str, alpha: float, method: Method = Method.LINEAR) -> Schedule:
    """Read `split|p0#p1|r0|r1|r2`; `split0` in place of `split` sets the head's ratio to 0.

    Args:
        tag: pivots, each the last layer of its block, and one ratio per block from the input on.
        alpha: ratio of the final norm and the head.
        method: how two tensors are mixed.

    Raises:
        UserError: the tag is malformed; the message quotes it.
    """
    place = f"in split tag '{tag}'"
    head, *fields = tag.split("|")
    if head not in ("split", "split0"):
        raise UserError(
            f"{place}: it begins with '{head}'; write split|10#20|0.4|0.3|0.2 or split0|... (head's ratio 0)"
        )
    if len(fields) < 2:
        raise UserError(f"{place}: pivots or ratios are missing; write split|10#20|0.4|0.3|0.2")
    pivots = tuple(_pivot(text, place) for text in fields[0].split("#"))
    ratios = tuple(parse_ratio(text, place, method) for text in fields[1:])
    try:
        return Schedule(alpha, pivots, ratios, 0.0 if head == "split0" else None, method=method)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def format_split_tag(schedule: Schedule) -> str:
    """Write a part-wise schedule as its split tag; the inverse of `parse_split_tag`.

    Raises:
        UserError: the schedule has per-module ratios or a head's ratio that no tag can express.
    """
    bare = replace(schedule, modules={})
    if schedule.modules or not schedule.pivots or bare.lm_head not in (None, 0.0):
        raise UserError("only a part-wise schedule without per-module ratios can be written as a split tag")
    head = "split" if schedule.lm_head is None else "split0"
    return "|".join([head, "#".join(map(str, schedule.pivots)), *map(repr, schedule.ratios)])


def split_tag_in(save_name: str) -> str | None:
    """Return the field of a save name that is a split tag, or None for plain averaging.

    Args:
        save_name: last component of the output path, fields joined by `_`.

    Raises:
        UserError: more than one field begins with `split`.
    """
    tags = [field for field in save_name.split("_") if field.startswith("split")]
    if len(tags) > 1:
        raise UserError(f"save name '{save_name}' holds {len(tags)} fields that begin with 'split'; keep one")
    return tags[0] if tags else None


def check_tag(tag: str, option: str) -> None:
    """Raise UserError if a model's tag holds a character that save names reserve."""
    bad = [character for character in _RESERVED if character in tag]
    if bad:
        raise UserError(
            f"{option} '{tag}' contains '{bad[0]}', which separates fields of the save name; leave it out"
        )


def _pivot(text: str, place: str) -> int:
    if not _LAYER.fullmatch(text):
        raise UserError(f"{place}: pivot '{text}' is no layer index; write pivots as 10#20")
    return int(text)
