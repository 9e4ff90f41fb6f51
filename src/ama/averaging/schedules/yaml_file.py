"""A schedule written as a YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ama.averaging.schedules.schedule import Schedule
from ama.averaging.schedules.split_tag import parse_ratio
from ama.console.yaml_file import read_mapping
from ama.errors import UserError
from ama.settings.merging import Method, Scope

_KEYS = {"ratio", "pivots", "ratios", "lm_head", "modules"}


def read_yaml(
    path: Path, ratio: float | None = None, scope: Scope = Scope.ALL, method: Method = Method.LINEAR
) -> Schedule:
    """Read a schedule from a file with the keys ratio, pivots, ratios, lm_head and modules.

    Args:
        path: the file.
        ratio: stands in where the file has none; None if not given.
        scope: which parameters are averaged.
        method: how two tensors are mixed.

    Raises:
        UserError: it can't be read, is no such file, has no ratio, or another than the one given.
    """
    try:
        content = read_mapping(path, "holds no mapping: write keys such as ratio: 0.3")
    except UserError as error:
        raise UserError(f"schedule {path} {error}") from error
    unknown = sorted(map(str, content.keys() - _KEYS))
    if unknown:
        raise UserError(f"schedule {path}: '{unknown[0]}' is not among its keys {', '.join(sorted(_KEYS))}")

    def number(value: object, place: str = "") -> float:
        return parse_ratio(str(value), f"schedule {path}{place}", method)

    own, head = content.get("ratio"), content.get("lm_head")
    alone = given(ratio) if own is None else number(own, ", ratio")
    if ratio not in (None, alone):
        raise UserError(f"schedule {path} has ratio {alone}, --ratio is {ratio}: drop one of them")
    modules = content.get("modules", {})
    if not isinstance(modules, dict):
        raise UserError(f"schedule {path}: modules is {modules!r}; map module names or patterns to ratios")
    try:
        return Schedule(
            alone,
            tuple(_pivot(value, path) for value in _list(content, "pivots", path)),
            tuple(number(value) for value in _list(content, "ratios", path)),
            None if head is None else number(head, ", lm_head"),
            {str(name): number(value, f", {name}") for name, value in modules.items()},
            scope,
            method=method,
        )
    except UserError as error:
        raise UserError(str(error) if str(path) in str(error) else f"schedule {path}: {error}") from error


def given(ratio: float | None) -> float:
    """Return a ratio that must be there.

    Raises:
        UserError: it is not.
    """
    if ratio is None:
        raise UserError("no ratio given: say --ratio 0.3, the weight of the model before RLHF, or @0.3")
    return ratio


def _list(content: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    value = content.get(key, [])
    if not isinstance(value, list):
        raise UserError(f"schedule {path}: {key} is {value!r}; write a list, such as [10, 20]")
    return value


def _pivot(value: object, path: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UserError(f"schedule {path}: pivot {value!r} is no layer index")
    return value
