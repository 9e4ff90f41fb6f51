"""Where a schedule comes from: a ratio, a split tag, the save name, or a YAML file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ama.averaging.schedules.schedule import Schedule, Scope
from ama.averaging.schedules.split_tag import parse_ratio, parse_split_tag, split_tag_in
from ama.errors import UserError

_KEYS = {"ratio", "pivots", "ratios", "lm_head", "modules"}


def read_schedule(alpha: float | None, text: str | None, save_name: str, scope: Scope) -> Schedule:
    """Settle the schedule of a merge.

    Args:
        alpha: ratio of the final norm and the head, and of everything in plain averaging; None if not given.
        text: a split tag or the path of a YAML file; None if not given.
        save_name: last component of the output path, which may hold a split tag.
        scope: which parameters are averaged.

    Raises:
        UserError: nothing gives a ratio, a malformed schedule, or flag and save name disagree.
    """
    tag = split_tag_in(save_name)
    from_name = None if tag is None else _from_text(tag, alpha, scope)
    schedule = from_name if text is None else _from_text(text, alpha, scope)
    if schedule is None:
        return Schedule(_given(alpha), scope=scope)
    if from_name is not None and from_name != schedule:
        raise UserError(f"--schedule '{text}' and the save name's '{tag}' disagree: drop one of them")
    return schedule


def _from_text(text: str, alpha: float | None, scope: Scope) -> Schedule:
    path = Path(os.path.expanduser(text))
    if path.suffix in (".yaml", ".yml"):
        return _from_yaml(path, alpha, scope)
    if not text.startswith("split"):
        raise UserError(
            f"--schedule '{text}' is neither a split tag such as split|10#20|0.4|0.3|0.2 nor a .yaml file"
        )
    schedule = parse_split_tag(text, _given(alpha))
    return Schedule(schedule.ratio, schedule.pivots, schedule.ratios, schedule.lm_head, scope=scope)


def _from_yaml(path: Path, alpha: float | None, scope: Scope) -> Schedule:
    content = _read_mapping(path)
    unknown = sorted(map(str, content.keys() - _KEYS))
    if unknown:
        raise UserError(f"schedule {path}: '{unknown[0]}' is not among its keys {', '.join(sorted(_KEYS))}")
    ratio = _number(content, "ratio", path)
    if ratio is None:
        ratio = _given(alpha)
    if alpha is not None and alpha != ratio:
        raise UserError(f"schedule {path} has ratio {ratio}, --alpha is {alpha}: drop one of them")
    try:
        return Schedule(
            ratio,
            tuple(_pivot(value, path) for value in _list(content, "pivots", path)),
            tuple(parse_ratio(str(value), f"schedule {path}") for value in _list(content, "ratios", path)),
            _number(content, "lm_head", path),
            _modules(content, path),
            scope,
        )
    except UserError as error:
        raise UserError(str(error) if str(path) in str(error) else f"schedule {path}: {error}") from error


def _read_mapping(path: Path) -> dict[Any, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"schedule {path} can't be read: {error.strerror}") from error
    # yaml leaves dates that don't exist and deep nesting to Python.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"schedule {path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"schedule {path} holds no mapping: write keys such as ratio: 0.3")
    return content


def _given(alpha: float | None) -> float:
    if alpha is None:
        raise UserError("no ratio given: say --alpha 0.3, the weight of the model before RLHF")
    return alpha


def _number(content: Mapping[str, Any], key: str, path: Path) -> float | None:
    value = content.get(key)
    return None if value is None else parse_ratio(str(value), f"schedule {path}, {key}")


def _list(content: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    value = content.get(key, [])
    if not isinstance(value, list):
        raise UserError(f"schedule {path}: {key} is {value!r}; write a list, such as [10, 20]")
    return value


def _pivot(value: object, path: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UserError(f"schedule {path}: pivot {value!r} is no layer index")
    return value


def _modules(content: Mapping[str, Any], path: Path) -> dict[str, float]:
    modules = content.get("modules", {})
    if not isinstance(modules, dict):
        raise UserError(f"schedule {path}: modules is {modules!r}; map module names or patterns to ratios")
    return {str(name): parse_ratio(str(ratio), f"schedule {path}, {name}") for name, ratio in modules.items()}
