"""Made-up comparisons in Anthropic's layout, and dialogues in ours."""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Comparison = tuple[str, str]
HELPFUL = ("helpful-base", "helpful-online", "helpful-rejection-sampled")


def anthropic(*turns: str) -> str:
    """Return a dialogue in Anthropic's marks, the human first."""
    sides = ("Human", "Assistant")
    return "".join(f"\n\n{sides[number % 2]}: {turn}" for number, turn in enumerate(turns))


def comparison(question: str, chosen: str = "Yes, gladly.", rejected: str = "No.") -> Comparison:
    """Return a comparison of one question."""
    return anthropic(question, chosen), anthropic(question, rejected)


def write_file(path: Path, comparisons: Iterable[Comparison]) -> Path:
    """Write a .jsonl.gz file; the same comparisons give the same bytes."""
    lines = [json.dumps({"chosen": chosen, "rejected": rejected}) for chosen, rejected in comparisons]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    return path


def write_source(folder: Path, files: Mapping[str, Iterable[Comparison]]) -> Path:
    """Write `<subset>/<split>` files and return the folder."""
    for name, comparisons in files.items():
        write_file(folder / f"{name}.jsonl.gz", comparisons)
    return folder


def questions(name: str, count: int) -> list[Comparison]:
    """Return comparisons of as many different questions."""
    return [comparison(f"What about {name} {number}?", f"{number} is fine.") for number in range(count)]


def whole_source(folder: Path, train: int = 40, test: int = 30) -> Path:
    """Write all helpful subsets, train and test."""
    sizes = {"train": train, "test": test}
    names = [(subset, split) for subset in HELPFUL for split in sizes]
    return write_source(
        folder, {f"{subset}/{split}": questions(f"{subset} {split}", sizes[split]) for subset, split in names}
    )


def instances(path: Path) -> list[dict[str, Any]]:
    """Return the instances of an LMFlow JSON file."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["instances"]
    return found


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the content of each file under a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
