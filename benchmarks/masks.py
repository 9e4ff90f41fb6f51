"""A step of learning ratios: time, memory and gradients, against plain autograd and a frozen model."""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from measure import machine, run
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
CASES = ("frozen", "plain autograd", "ours")
FREE = ("rows", "elements", "all weights")
MARGIN = 1.1
REFERENCE = "float32 arithmetic"
console = Console(width=120)


def measure(case: str, arguments: argparse.Namespace, dtype: str, steps: int) -> dict[str, Any]:
    """Run one case in a process of its own; its first step warms up unless it is the only one."""
    places = (arguments.before, arguments.after, arguments.text)
    sizes = (str(arguments.rows), str(arguments.length), str(steps))
    result = run([sys.executable, HERE / "mask_step.py", case, *places, dtype, *sizes])
    found: dict[str, Any] = json.loads(result.output)
    found["seconds"] = found["seconds"][1:] or found["seconds"]
    return found


def main() -> None:
    """Read the command line, measure in turn, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="model folder")
    parser.add_argument("--after", type=Path, required=True, help="model folder")
    parser.add_argument("--text", type=Path, required=True, help=".txt, LMFlow .json or .jsonl to train on")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"], help="of the weights")
    parser.add_argument(
        "--free", action="store_true", help="free ratios, and training all weights by SGD, too"
    )
    parser.add_argument("--rows", type=int, default=2, help="blocks in a step")
    parser.add_argument("--length", type=int, default=512, help="tokens in a block")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="in a process; the first is not counted")
    arguments = parser.parse_args()
    console.print(f"{arguments.rows} x {arguments.length} tokens, {arguments.rounds} rounds; {machine()}")
    cases = (*CASES, *FREE) if arguments.free else CASES
    gradients: dict[str, list[float]] = {}
    for dtype in arguments.dtypes:
        found: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
        for _ in range(arguments.rounds):
            for case in cases:
                found[case].append(measure(case, arguments, dtype, arguments.steps))
        _print_steps(dtype, found)
        # The same weights in float32 arithmetic: rounding them has changed what the gradient is.
        exact = measure("ours", arguments, f"{dtype}:float32", 1)
        gradients[f"{dtype} weights, {REFERENCE}"] = exact["gradients"]
        gradients |= {f"{dtype}, {case}": found[case][0]["gradients"] for case in CASES[1:]}
    _print_gradients(gradients)


def _print_steps(dtype: str, found: dict[str, list[dict[str, Any]]]) -> None:
    table = Table(dtype, "median s", "min-max s", "x frozen", "peak MB", "limit MB", box=MARKDOWN)
    times = {case: [second for run in runs for second in run["seconds"]] for case, runs in found.items()}
    frozen = found["frozen"][0]
    activations = max(run["peak"] for run in found["frozen"]) - frozen["weights"]
    limit = MARGIN * (2 * frozen["weights"] + activations)
    for case, seconds in times.items():
        median, peak = statistics.median(seconds), max(run["peak"] for run in found[case])
        row = (f"{median:.2f}", f"{min(seconds):.2f}-{max(seconds):.2f}")
        factor = f"{median / statistics.median(times['frozen']):.2f}"
        bound = f"{limit / 1e6:.0f}" if case == "ours" else ""
        table.add_row(case, *row, factor, f"{peak / 1e6:.0f}", bound)
    console.print(table)


def _print_gradients(gradients: dict[str, list[float]]) -> None:
    """Print the gradient of each ratio, and how far it is from that of the same weights in float32."""
    table = Table("gradient of each ratio", "", "error, % of the largest", box=MARKDOWN)
    reference: list[float] = []
    for name, values in gradients.items():
        if REFERENCE in name:
            reference = values
        scale = max(map(abs, reference))
        errors = (f"{abs(v - r) / scale:.2%}" for v, r in zip(values, reference, strict=True))
        table.add_row(name, " ".join(f"{value:+.5f}" for value in values), " ".join(errors))
    console.print(table)


if __name__ == "__main__":
    main()
