"""The command line of the mask optimisation, read into settings and checked before anything is loaded."""

from __future__ import annotations

from argparse import Namespace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ama.averaging.schedules.learned_ratios import Approach
from ama.averaging.schedules.schedule import Scope
from ama.console import Parser, positive_int
from ama.errors import UserError
from ama.ratios.penalty import Penalty
from ama.ratios.settings import MaskSettings
from ama.settings.samples import LossOn

if TYPE_CHECKING:
    from transformers import TrainingArguments

_Kind = TypeVar("_Kind", bound=StrEnum)


def add_options(parser: Parser) -> None:
    """Add all options of `python -m ama.optimize_masks`."""
    parser.fromfile_prefix_chars = "@"
    add = parser.add_argument
    add("--before", type=Path, required=True, metavar="DIR", help="model before RLHF (model_path0)")
    add("--after", type=Path, required=True, metavar="DIR", help="model after RLHF (model_path)")
    add("--dataset_path", type=Path, required=True, metavar="PATH", help="LMFlow JSON: a file or a folder")
    add("--output_dir", type=Path, required=True, metavar="DIR", help="folder for mask_alphas.bin")
    add("--overwrite", action="store_true", help="replace an earlier mask_alphas.bin, at the end")
    add("--approach", default=str(Approach.NORMALIZED), help="or mask_shift_sigmoid_linear")
    add("--mask_level", default="block3", help="block3, any blockK, layerwise, linearwise, lblock3")
    add("--pivots", metavar="7#15", help="last layer of each block but the last, in place of equal blocks")
    add("--scope", default=str(Scope.LINEAR), help="linear: linear maps only; all: every parameter")
    add("--init_val", type=float, default=0.2, help="mean of the ratios")
    add("--epsilon", type=float, default=0.2, help="the larger, the nearer the ratios stay to their mean")
    add("--reg_alpha", type=float, default=1e-4, help="weight of the penalty on |ratio - init_val|")
    add("--sum_reg_type", default="0.2", help="0: absolute, 1: squared; 0.2 and 1.2 weigh the middle most")
    add("--loss_on", default="text", help="text: every token, as released; response: replies only (Eq. 9)")
    add("--retain_weight", type=float, default=0.0, help="weight of the cross-entropy on a retain set")
    add(
        "--retain_data",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="its texts; by default before's own samples",
    )
    add("--retain_samples", type=positive_int, default=64, help="how many samples of before to draw, at most")
    add("--optimizer", choices=("adam", "search"), default="adam", help="search: CMA-ES, without gradients")
    add("--evaluations", type=positive_int, default=100, help="of the search: how many averages to measure")
    add(
        "--reward_model",
        type=Path,
        metavar="DIR",
        help="of the search: measure the reward of sampled replies, not the likelihood of the samples",
    )
    add(
        "--reward_prompts",
        type=positive_int,
        default=128,
        help="how many of the samples' prompts to reply to",
    )
    add("--max_new_tokens", type=positive_int, default=128, help="of a reply whose reward is measured")
    add("--lr", type=float, default=2e-5, help="learning rate, per linear module that a ratio governs")
    add("--scale_lr_by_sharing", choices=("true", "false"), default="true", help="lr times linear modules")
    add("--num_train_epochs", type=float, default=1.0, help="passes over the samples")
    add("--max_steps", type=positive_int, help="optimizer steps, in place of epochs")
    add("--warmup", type=float, default=0.03, help="share of the steps")
    add("--settle_tolerance", type=float, default=0.0, help="stop when no ratio moves by more; 0: never")
    add("--settle_window", type=positive_int, default=20, help="steps over which none must")
    add("--block_size", type=positive_int, default=512, help="tokens in a block")
    add("--per_device_train_batch_size", type=positive_int, default=1, help="blocks at a time on each device")
    add("--gradient_accumulation_steps", type=positive_int, default=1, help="times that many in a step")
    add("--gradient_checkpointing", action="store_true", help="recompute activations, to save memory")
    add("--bf16", action="store_true", help="load the weights in bfloat16; the ratios stay float32")
    add("--deepspeed", metavar="FILE", help="DeepSpeed configuration")
    add("--local_rank", type=int, default=-1, help="set by the deepspeed launcher")
    add("--save_steps", type=positive_int, default=100, help="steps between checkpoints to resume from")
    add("--seed", type=int, default=0, help="of the order of the data and of the retain samples")


def mask_settings(options: Namespace) -> MaskSettings:
    """Return the settings.

    Raises:
        UserError: an unknown name, or a number outside its range.
    """
    if options.optimizer == "search" and options.deepspeed:
        raise UserError("--optimizer search does not run under DeepSpeed: use torchrun or one process")
    if options.reward_model and options.optimizer != "search":
        raise UserError("--reward_model has no gradient in the ratios: give --optimizer search with it")
    for name in ("lr", "num_train_epochs"):
        if not 0 < getattr(options, name) < float("inf"):
            raise UserError(f"--{name} {getattr(options, name)}: give a number above 0")
    for name in ("warmup", "settle_tolerance"):
        if not 0 <= getattr(options, name) <= 1:
            raise UserError(f"--{name} {getattr(options, name)} lies outside [0, 1]")
    return MaskSettings(
        approach=_member(Approach, options.approach, "--approach"),
        mask_level=options.mask_level,
        pivots=_pivots(options.pivots),
        scope=_member(Scope, options.scope, "--scope"),
        init_val=options.init_val,
        epsilon=options.epsilon,
        reg_alpha=options.reg_alpha,
        sum_reg_type=_member(Penalty, options.sum_reg_type, "--sum_reg_type"),
        loss_on=_member(LossOn, options.loss_on, "--loss_on"),
        retain_weight=options.retain_weight,
        scale_lr_by_sharing=options.scale_lr_by_sharing == "true",
    )


def training_arguments(options: Namespace) -> TrainingArguments:
    """Return the Hugging Face Trainer's arguments."""
    import torch
    from transformers import TrainingArguments

    from ama.models.processes import join_deepspeed

    return TrainingArguments(
        output_dir=str(options.output_dir),
        learning_rate=options.lr,
        lr_scheduler_type="cosine",
        warmup_steps=options.warmup,
        num_train_epochs=options.num_train_epochs,
        max_steps=options.max_steps or -1,
        per_device_train_batch_size=options.per_device_train_batch_size,
        gradient_accumulation_steps=options.gradient_accumulation_steps,
        activation_checkpointing=options.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        weight_decay=0.0,
        max_grad_norm=0.0,
        seed=options.seed,
        save_steps=options.save_steps,
        save_total_limit=1,
        logging_steps=1,
        logging_nan_inf_filter=False,
        deepspeed=options.deepspeed,
        accelerator_config=join_deepspeed(options.deepspeed),
        use_cpu=not torch.accelerator.is_available() and not options.deepspeed,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
    )


def _member(kind: type[_Kind], text: str, option: str) -> _Kind:
    try:
        return kind(text)
    except ValueError:
        raise UserError(f"{option} '{text}' is unknown: give {' or '.join(kind)}") from None


def _pivots(text: str | None) -> tuple[int, ...]:
    if not text:
        return ()
    parts = text.split("#")
    if not all(part.isascii() and part.isdecimal() and len(part) < 7 for part in parts):
        raise UserError(f"--pivots '{text}' are no layer indices: write them as 7#15")
    return tuple(int(part) for part in parts)
