"""The mean reward of a model's samples and what was kept of them, as a file and as a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ama.data.samples import Sample
from ama.data.whole_file import write_whole
from ama.rlhf.selection import Selection


def write_summary(path: Path, model: Path, samples: Sequence[Sample], chosen: Selection) -> None:
    """Write the mean reward of a model's samples, its standard error over prompts, and what was kept."""
    by_prompt: dict[str, list[float]] = {}
    for sample in samples:
        by_prompt.setdefault(sample.prompt, []).append(sample.reward or 0.0)
    means = [sum(values) / len(values) for values in by_prompt.values()]
    mean = sum(means) / len(means)
    variance = sum((value - mean) ** 2 for value in means) / max(1, len(means) - 1)
    kept = [sample.reward or 0.0 for sample in chosen.samples]
    summary = {
        "model": str(model),
        "mean_reward": mean,
        "stderr": (variance / len(means)) ** 0.5,
        "prompts": len(means),
        "samples": len(samples),
        "dropped": chosen.dropped,
        "kept": len(kept),
        "mean_reward_of_kept": sum(kept) / len(kept),
    }
    write_whole(path, [json.dumps(summary, indent=1)])
    sys.stderr.write(
        f"{model}: mean reward {mean:.3f} +- {summary['stderr']:.3f} on {len(means)} prompts; "
        f"{len(kept)} samples kept, with {summary['mean_reward_of_kept']:.3f}\n"
    )
