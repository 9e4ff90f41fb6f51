"""Compare two checkpoints made of the same inputs: compare.py ONE OTHER BEFORE AFTER."""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open


def compare(one: Path, other: Path, before: Path, after: Path) -> tuple[float, float]:
    """Return the share of equal values and the largest difference in steps.

    A step is the distance of neighbouring values of the dtype at the larger of the two inputs: programs round
    relative to the inputs, so where these nearly cancel the result's own steps say nothing.
    """
    same = total = 0
    worst = 0.0
    readers = [dict(_tensors(folder)) for folder in (one, other, before, after)]
    if len({frozenset(reader) for reader in readers}) > 1:
        raise SystemExit("the checkpoints differ in their tensors")
    for name, first in readers[0].items():
        second, *inputs = (reader[name] for reader in readers[1:])
        if first.dtype != second.dtype:
            raise SystemExit(f"'{name}' is {first.dtype} in {one}, {second.dtype} in {other}")
        larger = torch.maximum(inputs[0].double().abs(), inputs[1].double().abs())
        step = 2.0 ** torch.floor(torch.log2(larger.clamp(min=1e-30))) * torch.finfo(first.dtype).eps
        worst = max(worst, ((first.double() - second.double()).abs() / step).max().item())
        same += int((first == second).sum())
        total += first.numel()
    return same / total, worst


def _tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as stream:
            for name in stream.keys():  # noqa: SIM118 - a safetensors file, no dictionary
                yield name, stream.get_tensor(name)


if __name__ == "__main__":
    equal, steps = compare(*map(Path, sys.argv[1:]))
    sys.stdout.write(f"{equal} {steps}\n")
