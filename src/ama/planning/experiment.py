"""An experiment's schedules checked, and its stages with what each needs in a table."""

import sys
from pathlib import Path

from ama.averaging.schedules.grammar import read_schedule
from ama.averaging.schedules.split_tag import parse_ratio
from ama.console.table import print_table
from ama.errors import UserError
from ama.planning.needs import Estimate
from ama.planning.stage_needs import needs_of
from ama.settings.planning import ModelSize, PlanSettings


def plan(model: ModelSize, settings: PlanSettings) -> None:
    """Check the schedules against the model's depth, then print what the stages need, where there are any.

    Raises:
        UserError: a schedule that is malformed or does not fit the model, or a stage whose command would
            refuse its line; names it.
    """
    for ratio in settings.ratios:
        parse_ratio(ratio, "--ratios")
    for word in settings.part_wise:
        try:
            read_schedule(word).check_depth(model.layers)
        except UserError as error:
            raise UserError(f"--part_wise '{word}': {error}") from error
    stages = [_stage(text) for text in [*settings.stage, *_lines(settings.stages)]]
    if not stages:
        return
    found = [(name, _needs(name, line, model)) for name, line in stages]
    rows = [(name, str(processes), *map(_gb, needs)) for name, (processes, needs) in found]
    # A stage comes on top of what all before it have left.
    kept, peak = 0.0, 0.0
    for _, (_, needs) in found:
        kept += needs.kept
        peak = max(peak, kept + needs.during)
    memory = max(needs.memory for _, (_, needs) in found)
    rows.append(("largest, and all", "", _gb(memory), _gb(peak), _gb(kept)))
    columns = ("stage", "processes", "memory of each, GB", "disk while it runs, GB", "disk kept, GB")
    print_table("Estimated needs", columns, rows)


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip()]


def _stage(text: str) -> tuple[str, str]:
    name, equals, line = text.partition("=")
    if not equals or not name.strip() or not line.strip():
        raise UserError(f"stage '{text}' is not NAME=COMMAND")
    return name.strip(), line.strip()


def _needs(name: str, line: str, model: ModelSize) -> tuple[int, Estimate]:
    try:
        return needs_of(line, model)
    except UserError as error:
        raise UserError(f"stage {name}: {error}") from error


def _gb(size: float) -> str:
    """Write bytes in GB, to a tenth below 10."""
    if not size:
        return "-"
    gigabytes = size / 1e9
    if gigabytes < 0.1:
        return "< 0.1"
    return f"{gigabytes:.1f}" if gigabytes < 10 else f"{gigabytes:.0f}"
