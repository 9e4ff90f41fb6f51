"""What a merged checkpoint says of itself: ama_merge.json, a model card, the merge as a mergekit YAML."""

import json
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xxhash

import ama
from ama.averaging.mergekit import mergekit_yaml
from ama.averaging.plan import MergePlan
from ama.averaging.schedules.ratio_tensors import record_of_tensors
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.schedules.split_tag import format_split_tag
from ama.checkpoint.folder import Checkpoint
from ama.checkpoint.staging import RECORD_NAME
from ama.settings.merging import Method

_PLACE_IN_CLONE = f"src/{__name__.rpartition('.')[0].replace('.', '/')}/"
_LIBRARIES = ("torch", "safetensors", "xxhash")


@dataclass(frozen=True)
class TensorHashes:
    """XXH3-128 of a tensor's bytes, in hexadecimal, in both inputs and in the result."""

    before: str
    after: str
    merged: str


def write_record(
    plan: MergePlan, hashes: Mapping[str, TensorHashes], folder: Path, settings: Mapping[str, Any]
) -> None:
    """Write ama_merge.json, README.md and, where mergekit can express the merge, mergekit.yaml.

    Args:
        plan: the merge.
        hashes: of each tensor by name.
        folder: where the weights lie.
        settings: how it was asked for, as JSON can hold it.
    """
    record = {
        "ama": ama.__version__,
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.orig_argv),
        "method": str(plan.schedule.method),
        "formula": plan.method.formula,
        "schedule": schedule_record(plan.schedule),
        "mean_ratio": plan.mean_ratio,
        "before": _model_record(plan.before, plan, {name: h.before for name, h in hashes.items()}),
        "after": _model_record(plan.after, plan, {name: h.after for name, h in hashes.items()}),
        "merged": {"xxh3_128": digest(plan, {name: h.merged for name, h in hashes.items()})},
        "notes": list(plan.notes),
        "settings": dict(settings),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    (folder / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_model_card(plan), encoding="utf-8", errors="backslashreplace")
    recipe = mergekit_yaml(plan)
    if recipe is not None:
        (folder / "mergekit.yaml").write_text(recipe, encoding="utf-8")


def schedule_name(schedule: Schedule) -> str:
    """Return a short name: the ratio, the split tag, `per module`, or level and price of free ratios.

    A method other than the linear one stands in front, as in the grammar of schedules.
    """
    if schedule.tensors is not None:
        return f"free {schedule.tensors.level} price {schedule.tensors.price:g}"
    method = "" if schedule.method is Method.LINEAR else f"{schedule.method}:"
    if (
        schedule.modules
        or schedule.lm_head not in (None, 0.0)
        or not (schedule.pivots or schedule.is_uniform)
    ):
        return f"{method}per module"
    return method + (format_split_tag(schedule) if schedule.pivots else repr(schedule.ratio))


def schedule_record(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as ama_merge.json holds it; score rows are known by it, too."""
    method: dict[str, Any] = {"method": str(schedule.method)} if schedule.method is not Method.LINEAR else {}
    free = {} if schedule.tensors is None else {"tensors": record_of_tensors(schedule.tensors)}
    return method | {
        "name": schedule_name(schedule),
        "ratio": schedule.ratio,
        "pivots": list(schedule.pivots),
        "ratios": list(schedule.ratios),
        "lm_head": schedule.lm_head,
        "modules": dict(schedule.modules),
        "scope": str(schedule.scope),
        **free,
    }


def digest(plan: MergePlan, hashes: Mapping[str, str]) -> str:
    """Return a fingerprint of a model's weights that does not depend on file format or sharding.

    XXH3-128 over the lines `name hash`, sorted by name, where hash is the XXH3-128 of the tensor's bytes.
    """
    lines = sorted(f"{tensor.site.name} {hashes[tensor.site.name]}\n" for tensor in plan.tensors)
    return xxhash.xxh3_128_hexdigest("".join(lines).encode())


def commit() -> str | None:
    """Return the git commit of the running code, None where it was not installed from its own clone."""
    folder = Path(__file__).parent
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), "rev-parse", "--show-prefix", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    prefix, _, head = done.stdout.strip().partition("\n")
    # An environment may lie inside the clone of something else.
    return head if done.returncode == 0 and prefix == _PLACE_IN_CLONE else None


def _model_record(model: Checkpoint, plan: MergePlan, hashes: Mapping[str, str]) -> dict[str, Any]:
    place = str(model.folder.resolve()) if model.revision is None else model.label
    return {"model": place, "revision": model.revision, "xxh3_128": digest(plan, hashes)}


def _model_card(plan: MergePlan) -> str:
    hub_ids = [model.label for model in (plan.before, plan.after) if model.revision is not None]
    base = "".join(f"\n- {hub_id}" for hub_id in hub_ids)
    header = "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- merge\n- ama\n"
    header += f"base_model:{base}\nbase_model_relation: merge\n" if hub_ids else ""
    return (
        f"{header}---\n# Averaged model\n\n"
        f"The weights of a model before RLHF (`{_public_name(plan.before)}`) averaged with those after it "
        f"(`{_public_name(plan.after)}`) to take back its alignment tax, as in "
        '["Mitigating the Alignment Tax of RLHF"](https://arxiv.org/abs/2309.06256):\n\n'
        f"    merged = {plan.method.formula}\n\n"
        f"Schedule `{schedule_name(plan.schedule)}`, mean ratio {plan.mean_ratio:.4f}.\n\n"
        f"| part | ratio |\n| --- | --- |\n{''.join(_ratio_rows(plan))}\n"
        f"Inputs, fingerprints, command and versions: `{RECORD_NAME}`.\n"
    )


def _public_name(model: Checkpoint) -> str:
    """Return a hub id as it is, and of a local path the last component: a model card may be published."""
    return model.folder.resolve().name if model.revision is None else model.label


def _ratio_rows(plan: MergePlan) -> Iterator[str]:
    for label, tensors in plan.blocks().items():
        low, high = min(t.ratio for t in tensors), max(t.ratio for t in tensors)
        yield f"| {label} | {low:g} |\n" if low == high else f"| {label} | {low:g} to {high:g} |\n"
