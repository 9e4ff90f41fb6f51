"""Train a causal language model on packed blocks; a run that was cut short goes on at its last checkpoint."""

from __future__ import annotations

import math
import shutil
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ama.errors import UserError
from ama.models import quiet, save_model
from ama.training.resume import open_work

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments


@dataclass(frozen=True)
class TrainingSettings:
    """What decides the result of a training, apart from model and text.

    Attributes:
        lr: peak learning rate of AdamW; rises over `warmup`, falls along a cosine to 0.
        epochs: passes over the blocks.
        max_steps: optimizer steps; if given, instead of `epochs`.
        batch: blocks in a step on each device.
        warmup: share of the steps, in [0, 1).
        weight_decay: AdamW's.
        beta2: AdamW's, of the mean of squared gradients, in [0, 1).
        seed: of the order of the blocks and of dropout.
        bf16: compute in bfloat16 (autocast); weights and optimizer stay float32.
        save_steps: steps between two checkpoints to resume from.

    Raises:
        UserError: for a number outside its range.
    """

    lr: float = 2e-5
    epochs: float = 1.0
    max_steps: int | None = None
    batch: int = 8
    warmup: float = 0.03
    weight_decay: float = 0.0
    beta2: float = 0.999
    seed: int = 0
    bf16: bool = False
    save_steps: int = 500

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("lr", "epochs", "batch", "save_steps"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} {getattr(self, name)}: must be positive and finite")
        if self.max_steps is not None and self.max_steps < 1:
            raise UserError(f"max_steps {self.max_steps}: must be 1 or more")
        if not 0 <= self.warmup < 1:
            raise UserError(f"warmup {self.warmup}: a share of the steps lies in [0, 1)")
        if not 0 <= self.beta2 < 1:
            raise UserError(f"beta2 {self.beta2} lies outside [0, 1)")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed {self.seed}: must lie between 0 and 4294967295")


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    blocks: torch.Tensor,
    out: Path,
    settings: TrainingSettings,
    dtype: torch.dtype = torch.float32,
    labels: torch.Tensor | None = None,
) -> None:
    """Train on every token but the first of each block, or on those with labels; save model and tokenizer.

    Checkpoints go to `<out>.work`, which is removed at the end. Where it holds one of the same run, training
    goes on at that step.

    Args:
        model: float32; it is trained in place, on the accelerator if there is one.
        tokenizer: is saved with the model.
        blocks: int64 token ids of shape (blocks, block_size).
        out: folder to write; replaced whole, only at the end.
        settings: the hyperparameters.
        dtype: of the weights that are written.
        labels: int64 of the blocks' shape, -100 where a token does not count; the blocks themselves if None.

    Raises:
        UserError: if `<out>.work` holds another run, or if the loss becomes infinite or no number.
    """
    from transformers import PrinterCallback, Trainer

    from ama.training.progress import ProgressLines

    quiet()
    work = out.absolute().with_name(f"{out.name}.work")
    arguments = _arguments(work, settings)
    parts = (blocks,) if labels is None else (blocks, labels)
    text = sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()[:16]
    with arguments.main_process_first():
        checkpoint = open_work(work, {"model": model.name_or_path, "text": text, **asdict(settings)})
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=[
            {"input_ids": block, "labels": wanted} for block, wanted in zip(blocks, parts[-1], strict=True)
        ],
        processing_class=tokenizer,
        callbacks=[ProgressLines()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    if trainer.is_world_process_zero():
        torch.nn.Module.to(model, dtype)
        save_model(model, tokenizer, out)
        shutil.rmtree(work)
    trainer.accelerator.wait_for_everyone()


def _arguments(work: Path, settings: TrainingSettings) -> TrainingArguments:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(work),
        learning_rate=settings.lr,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        adam_beta2=settings.beta2,
        seed=settings.seed,
        bf16=settings.bf16,
        use_cpu=not torch.accelerator.is_available(),
        save_steps=settings.save_steps,
        save_total_limit=1,
        logging_steps=0.1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
    )
