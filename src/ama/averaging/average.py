"""Average two checkpoints into a third: the function that the merging commands call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ama.averaging.layout import size_text
from ama.averaging.plan import MergePlan, plan_merge
from ama.averaging.schedules.grammar import merge_schedule
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.stream import write_average
from ama.checkpoint.resolve import open_pair
from ama.console.progress import track_bytes
from ama.processes import MpiRanks
from ama.settings.merging import MergeSettings, Method, Scope

_TABLE_WIDTH = 140


@dataclass(frozen=True)
class Average:
    """A finished average.

    Attributes:
        path: the checkpoint; None after a dry run.
        plan: the ratio, dtype and shape of every tensor, and where it comes from.
        notes: what the user should know, a sentence each.
    """

    path: Path | None
    plan: MergePlan
    notes: tuple[str, ...]

    @property
    def mean_ratio(self) -> float:
        """Mean ratio over all parameters."""
        return self.plan.mean_ratio


def average(
    before: str | Path,
    after: str | Path,
    out: str | Path,
    *,
    ratio: float | None = None,
    schedule: str | Schedule | None = None,
    scope: Scope | str = Scope.ALL,
    method: Method | str = Method.LINEAR,
    settings: MergeSettings | None = None,
    ranks: MpiRanks | None = None,
    record: Mapping[str, Any] = MappingProxyType({}),
    tell: Callable[[str], object] = lambda _: None,
    progress: bool = False,
) -> Average:
    """Write the average of a checkpoint before RLHF and one after it as a new checkpoint.

    By default merged = ratio * before + (1 - ratio) * after (paper, Eq. 2): ratio 0 is the model after RLHF,
    1 the one before. Tensors are streamed: memory does not grow with the model.

    Args:
        before: checkpoint before RLHF: folder or hub id.
        after: checkpoint after RLHF: folder, hub id, or LoRA adapter on before.
        out: folder to make; it appears only when it is whole.
        ratio: weight of before, in [0, 1]: alone, of every tensor; beside a schedule, what it leaves open.
        schedule: ratios by part: a split tag such as `split|10#20|0.4|0.3|0.2`, a YAML file, mask_alphas.bin
            or its folder; see `ama.averaging.schedules.grammar.read_schedule`. A Schedule has its own ratio,
            scope and method.
        scope: `all`, or `linear` to average linear maps only and take all else from before.
        method: how two tensors are mixed.
        settings: how the models are read and the result is written; `MergeSettings(overwrite=True)`, say.
        ranks: the processes that share the work; by default those of an MPI launcher, if one is at work.
        record: what else ama_merge.json shall hold under `settings`.
        tell: called with each note as soon as it is known, on the first rank.
        progress: show a progress bar on stderr.

    Returns:
        The path, the plan and the notes.

    Raises:
        UserError: a model that can't be found or read, two that can't be averaged, a malformed schedule or
            one that doesn't fit them, an `out` that exists or can't be written, or NaN or infinity in it.
    """
    settings, ranks, out = settings or MergeSettings(), ranks or MpiRanks(), Path(out).expanduser()
    with ranks.together():
        if not isinstance(schedule, Schedule):
            schedule = merge_schedule(ratio, schedule, "", Scope(scope), Method(method))
        pair = open_pair(str(before), str(after), settings.revisions)
        dtype = getattr(torch, settings.dtype) if settings.dtype else None
        plan = plan_merge(*pair, schedule, dtype, settings.vocab_mismatch)
    first = ranks.rank == 0
    for note in plan.notes if first else ():
        tell(note)
    if settings.dry_run:
        return Average(None, plan, plan.notes)
    share = plan.nbytes // ranks.size
    with track_bytes(f"writing {out.name}", share, shown=progress and first) as on_bytes:
        notes = write_average(plan, out, settings, ranks, on_bytes, record)
    if first:
        for note in (*notes, f"{out}: {size_text(plan.nbytes)}, mean ratio {plan.mean_ratio:.4f}"):
            tell(note)
    return Average(out, plan, (*plan.notes, *notes))


def print_ratios(plan: MergePlan) -> None:
    """Print a plan to stdout: a section per block, a row per tensor with its shape, dtype and ratio."""
    table = Table(box=SIMPLE, title_justify="left")
    for column in ("block", "tensor", "shape", "dtype"):
        table.add_column(column, overflow="fold")
    table.add_column("ratio", justify="right")
    for label, tensors in plan.blocks().items():
        for row, tensor in enumerate(tensors):
            shape = "x".join(map(str, tensor.shape))
            dtype = str(tensor.dtype).removeprefix("torch.")
            table.add_row("" if row else label, tensor.site.name, shape, dtype, f"{tensor.ratio:g}")
        table.add_section()
    console = Console(width=_TABLE_WIDTH, highlight=False, soft_wrap=True)
    console.print(table)
    size, method = size_text(plan.nbytes), plan.schedule.method
    console.print(f"{len(plan.tensors)} tensors, {size}, method {method}, mean ratio {plan.mean_ratio:.4f}")
