"""The mean reward of a model's samples and what was kept of them, as a file and as a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ama.checkpoint.whole_file import write_whole
from ama.data.samples import Sample
from ama.sampling.measures import mean_over_prompts
from ama.training.selection import Selection


def write_summary(path: Path, model: Path, samples: Sequence[Sample], chosen: Selection) -> None:
    """Write the mean reward of a model's samples, its standard error over prompts, and what was kept."""
    mean = mean_over_prompts(
        [sample.prompt for sample in samples], [sample.reward or 0.0 for sample in samples]
    )
    kept = [sample.reward or 0.0 for sample in chosen.samples]
    summary = {
        "model": str(model),
        "mean_reward": mean.value,
        "stderr": mean.stderr or 0.0,
        "prompts": mean.n,
        "samples": len(samples),
        "dropped": chosen.dropped,
        "kept": len(kept),
        "mean_reward_of_kept": sum(kept) / len(kept),
    }
    write_whole(path, [json.dumps(summary, indent=1)])
    sys.stderr.write(
        f"{model}: mean reward {mean.value:.3f} +- {summary['stderr']:.3f} on {mean.n} prompts; "
        f"{len(kept)} samples kept, with {summary['mean_reward_of_kept']:.3f}\n"
    )
