"""The options that all trainings of the RLHF stage share, and what they are read into."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, positive_int
from ama.training.settings import LoraSettings, RemedySettings, StageSettings


def add_places(parser: Parser, model: str, out: str) -> None:
    """Add --model, --out and --overwrite; `model` and `out` say what they are."""
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help=model)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=out)
    parser.add_argument("--overwrite", action="store_true", help="replace --out, once the new one is whole")


def add_training(
    parser: Parser, *, lr: float, batch: int, epochs: float = 1.0, micro_batch: int | None = 4
) -> None:
    """Add the options of a training, with the defaults of this one; a micro_batch of None has no option."""
    add = parser.add_argument
    add("--lr", type=float, default=lr, help="peak learning rate")
    add("--epochs", type=float, default=epochs, help="passes over the data")
    add("--max_steps", type=positive_int, help="optimizer steps, in place of --epochs")
    add("--batch", type=positive_int, default=batch, help="examples in a step, over all processes")
    if micro_batch is not None:
        add(
            "--micro_batch", type=positive_int, default=micro_batch, help="examples at a time on each process"
        )
    add("--warmup", type=float, default=0.03, help="share of the steps")
    add("--weight_decay", type=float, default=0.0, help="AdamW's")
    add("--seed", type=int, default=0, help="of the order of the data, fresh weights, sampling and dropout")
    add("--bf16", action="store_true", help="compute in bfloat16; the weights stay float32")
    add("--gradient_checkpointing", action="store_true", help="recompute activations, to save memory")
    add("--save_steps", type=positive_int, default=500, help="steps between checkpoints to resume from")
    add(
        "--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="to save in; auto: --model's"
    )
    add("--lora_r", type=int, metavar="RANK", help="train adapters of this rank, merged at the end")
    add("--lora_alpha", type=float, default=32.0, help="the adapters are scaled by alpha / rank")
    add("--lora_dropout", type=float, default=0.05, help="before the adapters")
    add("--lora_modules", default="all", help="all linear maps, mlp, attention, or names: q_proj,v_proj")
    add("--deepspeed", type=Path, metavar="FILE", help="DeepSpeed configuration")
    add("--local_rank", type=int, default=-1, help="set by the deepspeed launcher")


def add_remedies(parser: Parser) -> None:
    """Add the remedies that the paper compares with averaging."""
    add = parser.add_argument
    add("--l1", type=float, default=0.0, help="weight of the sum of |weight - before's|")
    add("--l2", type=float, default=0.0, help="weight of the sum of (weight - before's)^2")
    add(
        "--distill",
        type=float,
        default=0.0,
        help="weight of ||pi - pi0||^2, the distance from before's output",
    )
    add("--replay", type=Path, nargs="+", default=[], metavar="FILE", help="general text to replay")
    add("--replay_weight", type=float, default=0.0, help="weight of the cross-entropy on it")
    add("--replay_block", type=positive_int, default=128, help="tokens of a block of it")
    add(
        "--ema",
        type=float,
        default=0.0,
        metavar="DECAY",
        help="result is the moving average of the weights, of which each step keeps this share",
    )


def stage_settings(options: Namespace) -> StageSettings:
    """Return the settings of `add_training`'s options.

    Raises:
        UserError: a number outside its range.
    """
    lora = None
    if options.lora_r is not None:
        lora = LoraSettings(options.lora_r, options.lora_alpha, options.lora_dropout, options.lora_modules)
    return StageSettings(
        lr=options.lr,
        epochs=options.epochs,
        max_steps=options.max_steps,
        batch=options.batch,
        micro_batch=getattr(options, "micro_batch", 1),
        warmup=options.warmup,
        weight_decay=options.weight_decay,
        seed=options.seed,
        bf16=options.bf16,
        gradient_checkpointing=options.gradient_checkpointing,
        deepspeed=options.deepspeed,
        save_steps=options.save_steps,
        lora=lora,
        remedies=_remedies(options),
    )


def _remedies(options: Namespace) -> RemedySettings:
    if not hasattr(options, "replay_weight"):
        return RemedySettings()
    return RemedySettings(
        options.l1,
        options.l2,
        options.distill,
        options.replay_weight,
        tuple(options.replay),
        options.replay_block,
        options.ema,
    )
