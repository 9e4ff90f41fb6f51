"""The ratio of every tensor as a table, grouped by block."""

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ama.averaging.layout import size_text
from ama.averaging.plan import MergePlan

_WIDTH = 140


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
    console = Console(width=_WIDTH, highlight=False, soft_wrap=True)
    console.print(table)
    size, method = size_text(plan.nbytes), plan.schedule.method
    console.print(f"{len(plan.tensors)} tensors, {size}, method {method}, mean ratio {plan.mean_ratio:.4f}")
