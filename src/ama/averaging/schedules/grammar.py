"""The one grammar of schedules, [METHOD:]SCHEDULE[@RATIO]: a ratio, tag, YAML file or learned ratios."""

import json
from dataclasses import replace
from pathlib import Path

from ama.averaging.methods import check_ratio
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.schedules.split_tag import is_number, parse_ratio, parse_split_tag, split_tag_in
from ama.averaging.schedules.yaml_file import given, read_yaml
from ama.errors import UserError
from ama.settings.merging import Method, Scope
from ama.settings.ratios import JSON_NAME, Approach

_PRICE = "price="


def read_schedule(
    text: str, ratio: float | None = None, scope: Scope = Scope.ALL, method: Method = Method.LINEAR
) -> Schedule:
    """Read a schedule from one word.

    Args:
        text: a number in [0, 1]; a split tag; the path of a YAML file; or mask_alphas.bin or its folder. In
            front of it may stand a method and a colon, behind it, for all but a number, an @ and a ratio;
            behind a folder of free ratios `@price=0.1`.
        ratio: the ratio behind the @, for words that bring none: of the final norm and the head of a split
            tag, the missing `ratio` of a YAML file, the mean of learned ratios.
        scope: which parameters are averaged; learned ratios have their own.
        method: how two tensors are mixed, for words that don't say.

    Raises:
        UserError: it is none of these, malformed, or has a ratio outside the method's range.
    """
    method, text = _method_in_front(text, method)
    body, mark, behind = text.rpartition("@")
    if mark and not _path(text).exists():
        if behind.startswith(_PRICE) and is_learned(body):
            price = _price(behind.removeprefix(_PRICE), text)
            return replace(learned_schedule(_path(body), price=price), method=method)
        ratio = parse_ratio(behind, text, method)
        if not (body.startswith("split") or _is_path(body)):
            raise UserError(f"schedule '{text}': only a split tag or a file takes a ratio behind an @")
        text = body
    if is_learned(text):
        return replace(learned_schedule(_path(text), ratio), method=method)
    if _is_yaml(text):
        return read_yaml(_path(text), ratio, scope, method)
    if text.startswith("split"):
        return replace(parse_split_tag(text, given(ratio), method), scope=scope)
    if not is_number(text):
        raise UserError(
            f"--schedule '{text}' is neither a split tag such as split|10#20|0.4|0.3|0.2, a .yaml file, "
            "mask_alphas.bin, its folder, nor a ratio such as 0.3"
        )
    return Schedule(parse_ratio(text, "--schedule", method), scope=scope, method=method)


def merge_schedule(
    ratio: float | None,
    text: str | None = None,
    save_name: str = "",
    scope: Scope = Scope.ALL,
    method: Method = Method.LINEAR,
) -> Schedule:
    """Settle the schedule of one merge.

    Args:
        ratio: of `read_schedule`; alone, plain averaging. None if not given.
        text: a word of `read_schedule`; None if not given.
        save_name: last component of the output path, which may hold a split tag.
        scope: which parameters are averaged.
        method: how two tensors are mixed.

    Raises:
        UserError: nothing gives a ratio, a malformed schedule, or two of the three disagree.
    """
    if ratio is not None:
        used, _ = _method_in_front(text or "", method)
        try:
            check_ratio(ratio, used)
        except UserError as error:
            raise UserError(f"--ratio: {error}") from error
    tag = split_tag_in(save_name)
    words = [word for word in (text, tag) if word is not None]
    found = [read_schedule(word, ratio, scope, method) for word in words] or [
        Schedule(given(ratio), scope=scope, method=method)
    ]
    if ratio is not None and found[0].ratio != ratio:
        raise UserError(f"--schedule '{text}' and --ratio {ratio} disagree: drop one of them")
    if found[-1] != found[0]:
        raise UserError(f"--schedule '{text}' and the save name's '{tag}' disagree: drop one of them")
    return found[0]


def learned_schedule(
    path: Path, mean: float | None = None, *, price: float | None = None, extrapolate: bool = False
) -> Schedule:
    """Read learned ratios.

    Args:
        path: mask_alphas.bin, or its folder, or that of free ratios.
        mean: re-normalise the learned pattern to this mean; None for the trained one.
        price: which of the free ratios; None where they were learned at one price only.
        extrapolate: allow ratios above 1.

    Raises:
        UserError: missing, unsafe or malformed file, or a ratio above 1.
    """
    # torch is loaded only where there are tensors to read: the planner checks schedules without it.
    path = path.expanduser()
    if _holds_free_ratios(path):
        if mean is not None:
            raise UserError(f"{path} holds free ratios: choose one by --price, or @price=, not by a mean")
        from ama.averaging.schedules.ratio_tensors import read_ratio_tensors

        return read_ratio_tensors(path, price)
    if price is not None:
        raise UserError(f"{path} holds ratios of a fixed mean, which have no price: leave the price out")
    from ama.averaging.schedules.mask_alphas import read_mask

    return read_mask(path).schedule(mean, extrapolate=extrapolate)


def is_learned(text: str) -> bool:
    """Tell whether a word names learned ratios: a .bin file, or a folder."""
    path = _path(text)
    return bool(text) and (path.suffix == ".bin" or (path.is_dir() and not _is_yaml(text)))


def _holds_free_ratios(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / JSON_NAME).read_bytes()).get("approach") == Approach.FREE)
    except (OSError, ValueError, AttributeError):
        return False


def _price(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"schedule '{place}': price '{text}' is no number; write {_PRICE}0.1") from None


def _method_in_front(text: str, method: Method) -> tuple[Method, str]:
    """Return the method that a word begins with, by default the one given, and the rest of the word."""
    name, colon, rest = text.partition(":")
    return (Method(name), rest) if colon and name in set(Method) else (method, text)


def _is_yaml(text: str) -> bool:
    return _path(text).suffix in (".yaml", ".yml")


def _is_path(text: str) -> bool:
    return is_learned(text) or _is_yaml(text)


def _path(text: str) -> Path:
    return Path(text).expanduser()
