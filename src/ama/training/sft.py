"""Supervised fine-tuning on dialogues with TRL: the model before RLHF, and each iteration of RAFT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.data.labelled_blocks import IGNORED, label_blocks
from ama.data.samples import Sample
from ama.errors import UserError
from ama.models import load_model, load_tokenizer, quiet
from ama.sampling.encoding import check_vocabulary, context_length, encode_dialogues, padding_id
from ama.settings.samples import LossOn
from ama.training.arguments import trainer_arguments
from ama.training.baselines import Remedies, model_before, replayed
from ama.training.lora import lora_config
from ama.training.settings import StageSettings
from ama.training.stage import describe_run, dtype_to_save, finish, train, work_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def train_sft(
    base: Path,
    samples: Sequence[Sample],
    out: Path,
    settings: StageSettings,
    *,
    block_size: int,
    loss_on: LossOn,
    pack: bool,
    dtype: str = "auto",
    before: Path | None = None,
) -> None:
    """Fine-tune a model on samples and save it; goes on where an earlier run of the same was cut short.

    Args:
        base: folder of the model to start from.
        samples: prompts and replies.
        out: folder for the trained model; checkpoints lie in `<out>.work` meanwhile.
        settings: the hyperparameters.
        block_size: tokens in a row: of several samples if packed, else of one, whose rest is cut off.
        loss_on: which tokens count.
        pack: join the samples and cut them into blocks, as LMFlow does.
        dtype: of the weights that are written, `auto` for those of `base`.
        before: folder of the model that the remedies hold on to, `base` unless given.

    Raises:
        UserError: a block longer than the model's context, a tokenizer that does not fit, a number out of
            range, an unfinished run of other settings in the work folder, or a loss that is no number.
    """
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    quiet()
    tokenizer = load_tokenizer(base)
    padding_id(tokenizer)
    rows: list[dict[str, Any]] = [*sft_rows(tokenizer, samples, block_size, loss_on, pack=pack)]
    rows = replayed(rows, tokenizer, settings)
    run = describe_run(
        settings, rows, base=str(base), block_size=block_size, loss_on=loss_on, pack=pack, dtype=dtype
    )
    options: dict[str, Any] = {"max_length": None, "packing": False, "completion_only_loss": False}
    arguments = trainer_arguments(SFTConfig, work_of(out), settings, **options)
    # After the arguments: under ZeRO-3 they have the weights loaded in parts.
    model = load_model(base, "float32")
    check_vocabulary(model, tokenizer)
    held = model_before(before or base, settings)
    context = context_length(model)
    if context is not None and block_size > context:
        raise UserError(f"block_size {block_size} is longer than the model's context of {context} tokens")

    class Trainer(Remedies, SFTTrainer):
        """TRL's, with the remedies."""

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora_config(settings.lora, model, None),
    )
    trainer.use(settings.remedies, held)
    train(trainer, run)
    finish(trainer, tokenizer, base, out, dtype_to_save(dtype, base), run)


def sft_rows(
    tokenizer: PreTrainedTokenizerBase,
    samples: Sequence[Sample],
    block_size: int,
    loss_on: LossOn,
    *,
    pack: bool,
) -> list[dict[str, list[int]]]:
    """Return `input_ids` and `labels` of each row; see `train_sft`.

    Labels that do not count are -100. A sample that has none left within the block is dropped.

    Raises:
        UserError: no row is left, or what `label_blocks` and `encode_dialogues` raise.
    """
    if pack:
        blocks = {
            name: rows.tolist()
            for name, rows in label_blocks(samples, tokenizer, block_size, loss_on).items()
        }
        return [dict(zip(blocks, row, strict=True)) for row in zip(*blocks.values(), strict=True)]
    encoded = encode_dialogues(
        tokenizer, [sample.prompt for sample in samples], [sample.reply for sample in samples]
    )
    rows = []
    for item in encoded:
        ignored = item.prompt_length if loss_on is LossOn.RESPONSE else 0
        labels = [IGNORED] * ignored + item.ids[ignored:]
        rows.append({"input_ids": item.ids[:block_size], "labels": labels[:block_size]})
    kept = [row for row in rows if any(label != IGNORED for label in row["labels"][1:])]
    if not kept:
        raise UserError(f"no sample has a token to learn within block_size {block_size}: raise it")
    return kept
