"""What is measured: a checkpoint, a LoRA adapter on its base, or an average that is made in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import torch

from ama.averaging.in_memory import Loaded, Loader, load_merged
from ama.averaging.plan import MergePlan, plan_merge, plan_merges
from ama.averaging.record import schedule_name, schedule_record
from ama.averaging.schedules.grammar import read_schedule
from ama.averaging.schedules.schedule import Schedule
from ama.checkpoint.adapter import is_adapter
from ama.checkpoint.folder import read_json
from ama.checkpoint.provenance import provenance
from ama.checkpoint.resolve import locate, open_pair
from ama.errors import UserError
from ama.models import load_model, load_tokenizer
from ama.settings.evaluation import SubjectSettings


@dataclass(frozen=True)
class Subject:
    """One model to measure; nothing of it is loaded until `load` is called.

    Attributes:
        model: the model in score rows: a path or hub id, `before + after` for an average made in memory.
        schedule: name of the ratio schedule, empty if the model is no average.
        ratio: the schedule's ratio, in [0, 1], None if the model is no average.
        fingerprint: changes when the weights do.
        folder: of a whole checkpoint, None where there is none that could be loaded as it is.
    """

    model: str
    schedule: str
    ratio: float | None
    fingerprint: str
    folder: Path | None
    _load: Loader = field(repr=False, compare=False)

    @property
    def label(self) -> str:
        """A short name for progress bars."""
        name = " + ".join(Path(part).name for part in self.model.split(" + "))
        return f"{name} {self.schedule}" if self.folder is None and self.schedule else name

    def load(self, dtype: str = "auto", *, chat: bool = False) -> Loaded:
        """Load the model onto this process's device, and its tokenizer.

        Args:
            dtype: type of the weights, `auto` for the checkpoint's own, float32, bfloat16 or float16.
            chat: whether the tokenizer needs a chat template.

        Raises:
            UserError: there is no model or tokenizer that transformers can load, or no chat template.
        """
        model, tokenizer = self._load(dtype)
        if chat and not tokenizer.chat_template:
            raise UserError(f"the tokenizer of {self.model} has no chat template: measure it without one")
        torch.nn.Module.to(model, torch.accelerator.current_accelerator() or "cpu")
        return model, tokenizer


def subjects_of(settings: SubjectSettings) -> list[Subject]:
    """Return what the settings name, the models before the averages.

    Raises:
        UserError: nothing is named, a model is no checkpoint, the options for averages are incomplete, or a
            schedule does not fit.
    """
    subjects = [model_subject(source) for source in settings.models]
    if settings.before or settings.after or settings.schedule:
        subjects += _averages(settings)
    if not subjects:
        raise UserError("nothing to measure: give --models, or --before, --after and --schedule")
    return subjects


def model_subject(source: str) -> Subject:
    """Return a checkpoint, or a LoRA adapter on its base.

    Raises:
        UserError: it is neither.
    """
    folder, _ = locate(source, None)
    if is_adapter(folder):
        return _of_adapter(source, folder)
    if not (folder / "config.json").is_file():
        raise UserError(f"{source}: not a model folder (no config.json)")
    origin = provenance(folder)

    def load(dtype: str) -> Loaded:
        return load_model(folder, dtype), load_tokenizer(folder)

    return Subject(_name(source), origin.schedule, origin.ratio, origin.fingerprint, folder, load)


def _of_adapter(source: str, folder: Path) -> Subject:
    base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise UserError(f"adapter {source}: its adapter_config.json names no base_model_name_or_path")
    try:
        plan = plan_merge(*open_pair(base, source, (None, None)), Schedule(0.0))
    except UserError as error:
        raise UserError(f"adapter {source} on its base {base}: {error}") from error
    return Subject(_name(source), "", None, _fingerprint(plan), None, _loader(plan))


def _averages(settings: SubjectSettings) -> list[Subject]:
    before, after = settings.before, settings.after
    if not (before and after and settings.schedule):
        name = "before" if not before else "schedule" if after else "after"
        raise UserError(
            f"--{name} is missing: an average in memory needs --before, --after and --schedule, "
            "such as --schedule 0.3"
        )
    schedules = [read_schedule(text, settings.ratio, settings.scope) for text in settings.schedule]
    plans = plan_merges(*open_pair(before, after, (None, None)), schedules)
    return [average_subject(plan, pair_name(before, after), _loader(plan)) for plan in plans]


def average_subject(plan: MergePlan, name: str, load: Loader) -> Subject:
    """Return a planned average as something to measure, which `load` makes in memory."""
    schedule = plan.schedule
    return Subject(name, schedule_name(schedule), schedule.ratio, _fingerprint(plan), None, load)


def pair_name(before: str, after: str) -> str:
    """Return what score rows call an average of two models."""
    return f"{_name(before)} + {_name(after)}"


def _name(source: str) -> str:
    """Return one name for the ways to write a path: models/sft for models/sft/ and ./models/sft."""
    return str(Path(source)) if Path(source).is_dir() else source


def _loader(plan: MergePlan) -> Loader:
    def load(dtype: str) -> Loaded:
        return load_merged(plan, dtype)

    return load


def _fingerprint(plan: MergePlan) -> str:
    """Return what changes when an input's weights or a ratio does."""
    parts = [provenance(model.folder).fingerprint for model in (plan.before, plan.after)]
    text = json.dumps([*parts, schedule_record(plan.schedule)], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]
