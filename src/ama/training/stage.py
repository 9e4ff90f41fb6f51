"""One training to a model folder: going on after a cut, saving whole, the record beside the weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, Trainer

from ama.averaging.record import commit
from ama.checkpoint.staging import staged_folder, staging_of
from ama.models import load_model, new_reward_model, save_model
from ama.processes import leave_deepspeed
from ama.settings.base import Settings, record_of
from ama.training.lora import merged
from ama.training.progress import ProgressLines
from ama.training.resume import open_work

RECORD_NAME = "training.json"


def work_of(out: Path) -> Path:
    """Return the folder beside `out` that holds the checkpoints of its training."""
    return out.absolute().with_name(f"{out.name}.work")


def describe_run(groups: Sequence[Settings], data: object, **facts: object) -> dict[str, object]:
    """Return what tells a run from others, as JSON: its settings, a fingerprint of its data, and facts."""
    text = json.dumps(data, sort_keys=True)
    return {**record_of(groups), **facts, "data": sha256(text.encode()).hexdigest()[:16]}


def _dtype_to_save(dtype: str, base: Path) -> torch.dtype:
    """Return the type of the weights to write; `auto` is the one that `base` names in its configuration."""
    if dtype == "auto":
        return AutoConfig.from_pretrained(base, local_files_only=True).dtype or torch.float32
    named: torch.dtype = getattr(torch, dtype)
    return named


def train(trainer: Trainer, run: dict[str, object]) -> None:
    """Run a trainer, from its last checkpoint if it has one, with this project's progress lines.

    Args:
        trainer: writes its checkpoints to a folder of `work_of`, which is made only now that all was checked.
        run: of `describe_run`.

    Raises:
        UserError: the folder holds another run, or the loss becomes infinite or no number.
    """
    with trainer.args.main_process_first():
        checkpoint = open_work(Path(str(trainer.args.output_dir)), run)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressLines())
    trainer.train(resume_from_checkpoint=checkpoint)


def finish(
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    base: Path,
    out: Path,
    dtype: str,
    run: Mapping[str, object],
    given: Mapping[str, object] | None = None,
    measure: Callable[[Path], Mapping[str, object]] = lambda _: {},
    part: str = "",
) -> None:
    """Save what was trained as `out`, with its record, and remove the work folder; called on every process.

    Args:
        trainer: has trained.
        tokenizer: is saved with the model.
        base: folder that the training started from.
        out: folder to write; replaced whole, only when all is measured.
        dtype: of the weights that are written, `auto` for those of `base`.
        run: of `describe_run`, for the record.
        given: settings of the command, for the record; None without a command.
        measure: called on every process with a folder of the final model; what it returns is recorded.
        part: name of the submodule to save, empty for all.
    """
    work = Path(str(trainer.args.output_dir))
    draft = work / "model"
    history = trainer.state.log_history
    model = trainer.accelerator.unwrap_model(trainer.model)
    state = whole_state(trainer)
    if part:
        model = model.get_submodule(part)
        state = {name.removeprefix(f"{part}."): state[name] for name in state if name.startswith(f"{part}.")}
    is_main = trainer.is_world_process_zero()
    accelerator = trainer.accelerator
    parallel = {"parallel": accelerator.distributed_type.value, "processes": accelerator.num_processes}
    leave_deepspeed()
    if is_main:
        _save_weights(model, state, tokenizer, base, draft, _dtype_to_save(dtype, base))
    trainer.accelerator.wait_for_everyone()
    measured = measure(draft)
    if is_main:
        record = {"base": str(base), "settings": given, "run": run, **measured, **parallel, **_origin()}
        record["history"] = history
        (draft / RECORD_NAME).write_text(json.dumps(record, indent=1))
        with staged_folder(out):
            shutil.copytree(draft, staging_of(out), dirs_exist_ok=True)
        shutil.rmtree(work)
    trainer.accelerator.wait_for_everyone()


def whole_state(trainer: Trainer) -> dict[str, Tensor]:
    """Return all parameters of the trained model, whole; empty on other processes under ZeRO-3."""
    wrapped = trainer.model_wrapped if trainer.is_deepspeed_enabled else trainer.model
    state: dict[str, Tensor] = trainer.accelerator.get_state_dict(wrapped) or {}
    return state


def _save_weights(
    model: PreTrainedModel,
    state: dict[str, Tensor],
    tokenizer: PreTrainedTokenizerBase,
    base: Path,
    out: Path,
    dtype: torch.dtype,
) -> None:
    if isinstance(model, PeftModel):
        is_reward = type(model.get_base_model()).__name__.endswith("SequenceClassification")
        fresh = new_reward_model(base) if is_reward else load_model(base, "float32")
        model = merged(model, fresh, state)
        state = model.state_dict()
    state = {name: tensor.to(dtype) for name, tensor in state.items()}
    model.config.dtype = dtype
    save_model(model, tokenizer, out, state_dict=state)


def _origin() -> dict[str, object]:
    versions = {name: version(name) for name in ("torch", "transformers", "trl", "peft")}
    return {"commit": commit(), "versions": versions}
