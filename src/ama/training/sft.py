"""Supervised fine-tuning with TRL: the model before RLHF, each iteration of RAFT, models of plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase, set_seed
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from ama.checkpoint.staging import check_model_target
from ama.data import pack, read_texts
from ama.data.labelled_blocks import IGNORED, label_blocks
from ama.data.samples import Sample, read_samples
from ama.errors import UserError
from ama.models import load_model, load_tokenizer, new_model, quiet
from ama.sampling.encoding import check_vocabulary, context_length, encode_dialogues, padding_id
from ama.settings.base import record_of
from ama.settings.samples import LossOn
from ama.settings.training import (
    SFT,
    BaselineSettings,
    FinetuneSettings,
    LoraSettings,
    SftSettings,
    TrainingFiles,
    TrainingSettings,
)
from ama.training.arguments import stage_arguments
from ama.training.baselines import WithBaselines, model_before, replayed
from ama.training.lora import lora_config
from ama.training.stage import describe_run, finish, train, work_of

Rows = Sequence[Mapping[str, Any]]
_SFT, _LORA, _BASELINES = SftSettings(), LoraSettings(), BaselineSettings()


def run_sft(
    files: TrainingFiles,
    sft: SftSettings = _SFT,
    training: TrainingSettings = SFT,
    lora: LoraSettings = _LORA,
    baselines: BaselineSettings = _BASELINES,
) -> None:
    """Read samples and fine-tune a model on them; see `train_sft`.

    Raises:
        UserError: a result that is there already, data that can't be read, or as `train_sft`.
    """
    check_model_target(files.out, overwrite=files.overwrite)
    given = record_of([files, sft, training, lora, baselines])
    samples = read_samples(files.data)
    train_sft(files.model, samples, files.out, sft, training, lora, baselines, given=given)


def train_sft(
    base: Path,
    samples: Sequence[Sample],
    out: Path,
    sft: SftSettings = _SFT,
    training: TrainingSettings = SFT,
    lora: LoraSettings = _LORA,
    baselines: BaselineSettings = _BASELINES,
    *,
    before: Path | None = None,
    given: Mapping[str, object] | None = None,
) -> None:
    """Fine-tune a model on samples and save it; goes on where an earlier run of the same was cut short.

    Args:
        base: folder of the model to start from.
        samples: prompts and replies.
        out: folder for the trained model; checkpoints lie in `<out>.work` meanwhile.
        sft: how samples become rows: of several samples if packed, else of one, whose rest is cut off.
        training: the hyperparameters.
        lora: adapters to train in place of the weights.
        baselines: terms of the loss that hold the model near before.
        before: folder of the model that the baselines hold on to, `base` unless given.
        given: settings of the command, for the record.

    Raises:
        UserError: a block longer than the model's context, a tokenizer that does not fit, a batch that can't
            be divided, an unfinished run of other settings in the work folder, or a loss that is no number.
    """
    quiet()
    tokenizer = load_tokenizer(base)
    padding_id(tokenizer)
    rows = replayed(sft_rows(tokenizer, samples, sft), tokenizer, baselines)
    run = describe_run([sft, training, lora, baselines], rows, base=str(base))
    train_rows(
        base,
        rows,
        out,
        training,
        lora,
        baselines,
        block_size=sft.block_size,
        before=before,
        run=run,
        given=given,
    )


def run_finetune(files: FinetuneSettings, training: TrainingSettings) -> None:
    """Train a causal language model on texts, a given one or a fresh one.

    Raises:
        UserError: a result that is there already, texts that fill no block, or as `train_rows`.
    """
    check_model_target(files.out, overwrite=files.overwrite)
    quiet()
    blocks = pack(read_texts(files.data), load_tokenizer(files.model), files.block_size)
    train_rows(
        files.model,
        [{"input_ids": ids, "labels": ids} for ids in blocks.tolist()],
        files.out,
        training,
        block_size=files.block_size,
        fresh=files.from_scratch,
        given=record_of([files, training]),
    )


def train_rows(
    base: Path,
    rows: Rows,
    out: Path,
    training: TrainingSettings,
    lora: LoraSettings = _LORA,
    baselines: BaselineSettings = _BASELINES,
    *,
    block_size: int,
    before: Path | None = None,
    fresh: bool = False,
    run: dict[str, object] | None = None,
    given: Mapping[str, object] | None = None,
) -> None:
    """Train a causal language model on rows of tokens and save it, as `train_sft` does.

    Args:
        base: folder of the model to start from.
        rows: `input_ids` and `labels` of each, where a label of -100 does not count.
        out: folder for the trained model.
        training: the hyperparameters.
        lora: adapters to train in place of the weights.
        baselines: terms of the loss that hold the model near before.
        block_size: tokens of the longest row.
        before: folder of the model that the baselines hold on to, `base` unless given.
        fresh: start from random float32 weights that the seed decides; `base` then needs no weights.
        run: what tells this run from others, of `describe_run`; settings and rows unless given.
        given: settings of the command, for the record.

    Raises:
        UserError: as `train_sft`.
    """
    quiet()
    tokenizer = load_tokenizer(base)
    if run is None:
        run = describe_run([training, lora, baselines], rows, base=str(base), fresh=fresh)
    options: dict[str, Any] = {"max_length": None, "packing": False, "completion_only_loss": False}
    # The blocks to replay are a column that TRL does not know.
    options["remove_unused_columns"] = not baselines.replay
    arguments = stage_arguments(SFTConfig, work_of(out), training, **options)
    # After the arguments: under ZeRO-3 they have the weights loaded in parts.
    if fresh:
        set_seed(training.seed)
    model = new_model(base) if fresh else load_model(base, "float32")
    check_vocabulary(model, tokenizer)
    held = model_before(before or base, baselines, lora)
    context = context_length(model)
    if context is not None and block_size > context:
        raise UserError(f"block_size {block_size} is longer than the model's context of {context} tokens")

    class Trainer(WithBaselines, SFTTrainer):
        """TRL's, with the baselines."""

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=tokenizer,
        peft_config=lora_config(lora, model, None),
    )
    trainer.use(baselines, held)
    train(trainer, run)
    dtype = "float32" if fresh and training.dtype == "auto" else training.dtype
    finish(trainer, tokenizer, base, out, dtype, run, given)


def sft_rows(
    tokenizer: PreTrainedTokenizerBase, samples: Sequence[Sample], sft: SftSettings
) -> list[dict[str, list[int]]]:
    """Return `input_ids` and `labels` of each row; see `train_sft`.

    Labels that do not count are -100. A sample that has none left within the block is dropped.

    Raises:
        UserError: no row is left, or what `label_blocks` and `encode_dialogues` raise.
    """
    if sft.pack:
        packed = label_blocks(samples, tokenizer, sft.block_size, sft.loss_on)
        blocks = {name: rows.tolist() for name, rows in packed.items()}
        return [dict(zip(blocks, row, strict=True)) for row in zip(*blocks.values(), strict=True)]
    encoded = encode_dialogues(
        tokenizer, [sample.prompt for sample in samples], [sample.reply for sample in samples]
    )
    rows = []
    for item in encoded:
        ignored = item.prompt_length if sft.loss_on is LossOn.RESPONSE else 0
        labels = [IGNORED] * ignored + item.ids[ignored:]
        rows.append({"input_ids": item.ids[: sft.block_size], "labels": labels[: sft.block_size]})
    whole = [row for row in rows if any(label != IGNORED for label in row["labels"][1:])]
    if not whole:
        raise UserError(f"no sample has a token to learn within block_size {sft.block_size}: raise it")
    return whole
