"""Learned ratios against equal ones of the same mean, on samples that the ratios were not learned from."""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from measure import machine
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ama.averaging.in_memory import InMemoryAverage
from ama.averaging.live import plan_live
from ama.averaging.schedules.mask_alphas import read_mask
from ama.averaging.schedules.schedule import Schedule
from ama.data.labelled_blocks import IGNORED, label_blocks
from ama.data.samples import read_samples
from ama.models import load_model, load_tokenizer, quiet
from ama.ratios.terms import summed_loss
from ama.settings.merging import Scope
from ama.settings.samples import LossOn

console = Console(width=140)


def learn(arguments: argparse.Namespace, level: str, mean: float, more: Sequence[str]) -> Path:
    """Return the folder of the ratios, learned by the command if they are not there yet."""
    out: Path = arguments.work / f"{level}_{mean:g}"
    if not (out / "mask_alphas.bin").exists():
        models = ["--before", arguments.before, "--after", arguments.after]
        choices = ["--data", arguments.samples, "--mask_level", level, "--mean_ratio", str(mean)]
        command = [sys.executable, "-m", "ama.optimize_masks", *models, *choices, "--out", out, *more]
        subprocess.run(list(map(str, command)), check=True)
    return out


@torch.inference_mode()
def losses(model: torch.nn.Module, data: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the summed cross-entropy of each block and its tokens that count, float64 of shape (blocks,)."""
    sums, counts = [], []
    for ids, labels in zip(data["input_ids"], data["labels"], strict=True):
        logits = model(input_ids=ids[None], use_cache=False).logits
        sums.append(summed_loss(logits, labels[None]).double())
        counts.append(labels[1:].ne(IGNORED).sum().double())
    return torch.stack(sums), torch.stack(counts)


def gain(equal: tuple[Tensor, Tensor], learned: tuple[Tensor, Tensor]) -> str:
    """Return by how much the mean per token falls, with its standard error over blocks, a ratio's."""
    (first, counts), (second, _) = equal, learned
    change = (first - second).sum() / counts.sum()
    rest = (first - second) - change * counts
    error = (rest.square().sum() * len(rest) / (len(rest) - 1)).sqrt() / counts.sum()
    return f"{change:.4f} ± {error:.4f}"


def main() -> None:
    """Read the command line, learn, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Further options go to ama.optimize_masks.")
    parser.add_argument("--before", type=Path, required=True, help="model folder")
    parser.add_argument("--after", type=Path, required=True, help="model folder")
    parser.add_argument("--samples", type=Path, required=True, help="LMFlow JSON to learn the ratios from")
    parser.add_argument("--held_out", type=Path, required=True, help="LMFlow JSON to measure on")
    parser.add_argument("--work", type=Path, required=True, help="folder for the ratios; they are kept there")
    parser.add_argument("--levels", nargs="+", default=["block3", "layerwise"])
    parser.add_argument("--means", type=float, nargs="+", default=[0.2, 0.4])
    parser.add_argument("--length", type=int, default=256, help="tokens in a block that is measured")
    arguments, more = parser.parse_known_args()
    quiet()
    folders = {
        (level, mean): learn(arguments, level, mean, more)
        for mean in arguments.means
        for level in arguments.levels
    }
    before, after = (load_model(path, "float32") for path in (arguments.before, arguments.after))
    average, tokenizer = InMemoryAverage(before, after), load_tokenizer(arguments.after)
    samples = read_samples(arguments.held_out)
    table = Table("tokens", "mean", "ratios", "loss", "gain over equal ratios", box=MARKDOWN)
    for loss_on in LossOn:
        data = label_blocks(samples, tokenizer, arguments.length, loss_on)
        for name, model in (("before", before), ("after", after)):
            sums, counts = losses(model, data)
            table.add_row(loss_on, "", name, f"{sums.sum() / counts.sum():.4f}", "")
        for mean in arguments.means:
            plan = plan_live(before, after, Schedule(mean, scope=Scope.LINEAR))
            equal = losses(average.mix(plan), data)
            table.add_row(loss_on, f"{mean:g}", "equal", f"{equal[0].sum() / equal[1].sum():.4f}", "")
            for level in arguments.levels:
                mask = read_mask(folders[level, mean])
                plan = plan_live(before, after, mask.schedule(extrapolate=True))
                found = losses(average.mix(plan), data)
                loss = f"{found[0].sum() / found[1].sum():.4f}"
                table.add_row(loss_on, f"{mean:g}", level, loss, gain(equal, found))
    console.print(f"{len(samples)} samples held out, {len(data['input_ids'])} blocks; {machine()}")
    console.print(table)
    for (level, mean), folder in folders.items():
        ratios = json.loads((folder / "mask_alphas.json").read_text())["ratios"]
        console.print(f"{level} {mean:g}: {' '.join(f'{ratio:.3f}' for ratio in ratios.values())}")


if __name__ == "__main__":
    main()
