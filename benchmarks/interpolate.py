"""Measure ama.interpolate against mergekit and against plain reading and writing; see README.md."""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import yaml
from measure import Run, floor, machine, run, settle, warm
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
SMALL = ("hidden_size=512", "intermediate_size=1408", "num_hidden_layers=4", "num_attention_heads=8")
PARTS = "split|0#1|0.9|0.5|0.1"
Command = list[str | Path]
console = Console(width=150, highlight=False)


def make_pair(folder: Path, dtype: str, shards: int, *sizes: str) -> tuple[Path, Path]:
    """Make `folder`/before and `folder`/after unless they are there, and return both."""
    if not folder.is_dir():
        run([sys.executable, HERE / "llama_pair.py", folder, dtype, str(shards), *sizes])
    return folder / "before", folder / "after"


def ours(before: Path, after: Path, out: Path, *options: str) -> Command:
    """Return the command of our merge."""
    models: Command = ["--before", before, "--after", after, "--out", out]
    return [sys.executable, "-m", "ama.interpolate", *models, "--alpha", "0.3", *options]


def theirs(mergekit: Path, recipe: Path, out: Path) -> Command:
    """Return the command of mergekit's merge, with its options for speed on a CPU."""
    return [mergekit, recipe, out, "--lazy-unpickle", "--quiet", "--no-copy-tokenizer"]


def recipe_for(before: Path, after: Path, path: Path, dtype: str) -> Path:
    """Write mergekit's recipe of the same merge."""
    models = [(before, 0.3), (after, 0.7)]
    entries = [{"model": str(model), "parameters": {"weight": weight}} for model, weight in models]
    path.write_text(yaml.safe_dump({"merge_method": "linear", "dtype": dtype, "models": entries}))
    return path


def free(work: Path, level: str, before: Path, after: Path, out: Path) -> Command:
    """Return the command of a merge by random free ratios, which are written unless they are there."""
    folder = work / f"{before.parent.name}-{level}"
    if not folder.is_dir():
        run([sys.executable, HERE / "free_folder.py", before, folder, level])
    models: Command = ["--before", before, "--after", after, "--out", out]
    return [sys.executable, "-m", "ama.merge_masks", *models, "--masks", folder]


def speed(
    work: Path, rounds: int, mergekit: Path | None, sizes: list[str], levels: Sequence[str] = ()
) -> None:
    """Print time and memory of a merge in TinyLlama's layout, but for `sizes`: floor, ours, mergekit."""
    before, after = make_pair(work / "-".join(["pair", *sizes]), "bfloat16", 3, *sizes)
    outs = {name: work / f"out-{name}" for name in ("floor", "synced", "engine", "ours", "theirs")}
    engine: Command = [sys.executable, HERE / "engine.py", before, after, outs["engine"]]
    cases: dict[str, Callable[[], Run]] = {
        "read 2, write 1": lambda: floor(before, after, outs["floor"], synced=False),
        "read 2, write 1, fsync": lambda: floor(before, after, outs["synced"], synced=True),
        "engine alone": lambda: _inner(run(engine)),
        "python -m ama.interpolate": lambda: run(ours(before, after, outs["ours"])),
    }
    for level in levels:
        command = free(work, level, before, after, outs["ours"])
        cases[f"python -m ama.merge_masks, a ratio for each {level}"] = partial(run, command)
    if mergekit:
        recipe = recipe_for(before, after, work / "recipe.yaml", "bfloat16")
        cases["mergekit-yaml"] = lambda: run(theirs(mergekit, recipe, outs["theirs"]))
        cases["mergekit-yaml --async-write"] = lambda: run(
            [*theirs(mergekit, recipe, outs["theirs"]), "--async-write"]
        )
    runs: dict[str, list[Run]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, case in cases.items():
            settle(*outs.values())
            warm(before, after, *(work / f"{before.parent.name}-{level}" / "price-0.1" for level in levels))
            result = case()
            # The first round fills caches, the page cache and Python's.
            if number:
                runs[name].append(result)
    settle(*outs.values())
    table = Table("", "median s", "min-max s", "x floor", "peak MB", box=MARKDOWN)
    base = statistics.median(result.seconds for result in runs["read 2, write 1, fsync"])
    for name, results in runs.items():
        times = [result.seconds for result in results]
        median, peak = statistics.median(times), max(result.peak for result in results)
        row = (f"{median:.2f}", f"{min(times):.2f}-{max(times):.2f}", f"{median / base:.2f}")
        table.add_row(name, *row, f"{peak / 1e6:.0f}" if peak else "")
    parameters = sum(file.stat().st_size for file in before.glob("*.safetensors")) / 2e9
    console.print(f"{parameters:.2f}B parameters, bfloat16, {rounds} rounds, warm cache; {machine()}")
    console.print(table)


def _inner(whole: Run) -> Run:
    return Run(float(whole.output), whole.peak)


def large(work: Path) -> None:
    """Print the peak memory of a merge of four times the layers."""
    before, after = make_pair(work / "4b", "bfloat16", 12, "num_hidden_layers=88")
    result = run(ours(before, after, work / "out-large"))
    settle(work / "out-large")
    console.print(f"88 layers, 4.0B parameters: peak {result.peak / 1e6:.0f} MB, {result.seconds:.1f} s")


def agreement(work: Path, mergekit: Path) -> None:
    """Print how far our results lie from mergekit's, and from those of the recipes that our merges write."""
    table = Table("dtype", "schedule", "recipe", "equal", "largest difference, steps", box=MARKDOWN)
    for dtype in ("float32", "bfloat16"):
        before, after = make_pair(work / f"small-{dtype}", dtype, 2, *SMALL)
        for schedule in (None, PARTS):
            out, redone = work / "out-ours", work / "out-theirs"
            settle(out, redone)
            run(ours(before, after, out, *(["--schedule", schedule] if schedule else [])))
            recipes = {"written by the merge": out / "mergekit.yaml"}
            if schedule is None:
                recipes["by hand"] = recipe_for(before, after, work / "recipe.yaml", dtype)
            for source, recipe in recipes.items():
                run(theirs(mergekit, recipe, redone))
                compared = run([sys.executable, HERE / "compare.py", out, redone, before, after])
                equal, steps = map(float, compared.output.split())
                table.add_row(
                    dtype, "part-wise" if schedule else "0.3", source, f"{equal:.2%}", f"{steps:.3g}"
                )
                settle(redone)
            settle(out)
    console.print(table)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the models; they are kept there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mergekit", type=Path, help="mergekit-yaml of an environment of its own")
    parser.add_argument(
        "--large", action="store_true", help="measure memory with 4.0B parameters too (24 GB)"
    )
    parser.add_argument(
        "--free", nargs="*", default=[], metavar="LEVEL", help="also by free ratios: row element"
    )
    parser.add_argument(
        "--sizes", nargs="*", default=[], help="what differs from TinyLlama: hidden_size=512 ..."
    )
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.mergekit:
        agreement(arguments.work, arguments.mergekit)
    speed(arguments.work, arguments.rounds, arguments.mergekit, arguments.sizes, arguments.free)
    if arguments.large:
        large(arguments.work)


if __name__ == "__main__":
    main()
