"""Learn averaging ratios from samples of the model after RLHF: before, after, samples to mask_alphas.bin."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ama.console import Parser, run
from ama.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

    from ama.data.samples import Sample
    from ama.ratios.optimize import Outcome
    from ama.ratios.settings import MaskSettings

PLOT_NAME = "mask_alphas.png"

_DESCRIPTION = """\
One ratio per block of linear maps, trained so that the averaged model gives the collected samples a high
likelihood, while the mean of the ratios stays init_val. A ratio is the weight of the model before RLHF.

Example: python -m ama.optimize_masks --before models/sft --after models/rlhf \\
  --dataset_path data/collected.json --output_dir output/masks --lr 0.005
Options may come from a file, one a line: @configs/masks/small_model.args; the later of two wins.
Merge the result with python -m ama.merge_masks. The same command under accelerate launch, torchrun or
deepspeed shares the work; run again after a crash, it goes on at its last checkpoint."""


def main() -> None:
    """Read the options, load, train, write."""
    parser = Parser("optimize_masks", _DESCRIPTION)
    from ama.ratios.options import add_options, mask_settings, training_arguments

    add_options(parser)
    options = parser.parse_args()
    settings = mask_settings(options)
    _check_output(options)
    from ama.data.labelled_blocks import label_blocks
    from ama.data.samples import read_samples
    from ama.models import load_model, load_tokenizer, quiet
    from ama.ratios.optimize import optimize
    from ama.ratios.settled import StopWhenSettled
    from ama.training.progress import ProgressLines
    from ama.training.resume import open_work

    quiet()
    arguments = training_arguments(options)
    tokenizer = load_tokenizer(options.after)
    samples = read_samples(options.dataset_path)
    data = label_blocks(samples, tokenizer, options.block_size, settings.loss_on)
    dtype = "bfloat16" if options.bf16 else "float32"
    before, after = load_model(options.before, dtype), load_model(options.after, dtype)
    _check_context(options.block_size, after)
    run_name: dict[str, object] = {key: str(value) for key, value in vars(options).items()}
    del run_name["local_rank"]
    with arguments.main_process_first():
        checkpoint = open_work(options.output_dir, run_name)
    if settings.retain_weight:
        data["retain_ids"] = _retain(options, before, tokenizer, len(data["input_ids"]))
    if options.optimizer == "search":
        outcome = _search(options, arguments, (before, after), tokenizer, settings, samples, data)
    else:
        callbacks = [ProgressLines(), StopWhenSettled(options.settle_tolerance, options.settle_window)]
        outcome = optimize(before, after, data, settings, arguments, callbacks, checkpoint)
    if outcome.is_main:
        _write(options, arguments, settings, outcome, data)


def _check_output(options: Namespace) -> None:
    from ama.averaging.schedules.mask_alphas import BIN_NAME

    result = options.output_dir / BIN_NAME
    if result.exists() and not options.overwrite:
        raise UserError(
            f"{result} exists already: choose another --output_dir, or replace it with --overwrite"
        )


def _check_context(block_size: int, model: PreTrainedModel) -> None:
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and block_size > limit:
        raise UserError(f"--block_size {block_size} is longer than the model's context of {limit} tokens")


def _retain(
    options: Namespace, before: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, count: int
) -> Tensor:
    import torch

    from ama.data import pack, read_texts
    from ama.models.sharded import gathered
    from ama.ratios.retain import draw_unconditional

    if options.retain_data:
        blocks = pack(read_texts(options.retain_data), tokenizer, options.block_size)
    else:
        rows = min(count, options.retain_samples)
        with gathered(before.parameters()):
            blocks = draw_unconditional(before, tokenizer, rows, options.block_size, options.seed)
    return blocks[torch.arange(count) % len(blocks)]


def _search(
    options: Namespace,
    arguments: TrainingArguments,
    models: tuple[PreTrainedModel, PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    settings: MaskSettings,
    samples: Sequence[Sample],
    data: Mapping[str, Tensor],
) -> Outcome:
    from torch import nn

    from ama.ratios.measures import draw_prompts, loss_measure, reward_measure
    from ama.ratios.search import JOURNAL_NAME, search
    from ama.sampling import SamplingSettings
    from ama.sampling.journal import Journal
    from ama.training.progress import EvaluationLines

    device = arguments.device
    if options.reward_model:
        sampling = SamplingSettings(max_new_tokens=options.max_new_tokens, seed=options.seed)
        prompts = draw_prompts(samples, options.reward_prompts, options.seed)
        measure = reward_measure(options.reward_model, tokenizer, prompts, sampling, device)
    else:
        measure = loss_measure(data, settings.retain_weight, options.per_device_train_batch_size)
    for model in models:
        nn.Module.to(model, device)
    return search(
        *models,
        settings,
        measure,
        evaluations=options.evaluations,
        seed=options.seed,
        journal=Journal(options.output_dir, JOURNAL_NAME),
        on_evaluation=EvaluationLines(options.evaluations, shown=arguments.process_index == 0),
    )


def _write(
    options: Namespace,
    arguments: TrainingArguments,
    settings: MaskSettings,
    outcome: Outcome,
    data: Mapping[str, Tensor],
) -> None:
    from ama.ratios.search import JOURNAL_NAME
    from ama.report.masks import write_outcome
    from ama.sampling.journal import Journal
    from ama.training.resume import NOTE_NAME

    write_outcome(outcome, settings, _facts(options, arguments, data), options.output_dir)
    for checkpoint in options.output_dir.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    Journal[float](options.output_dir, JOURNAL_NAME).remove()
    (options.output_dir / NOTE_NAME).unlink()


def _facts(options: Namespace, arguments: TrainingArguments, data: Mapping[str, Tensor]) -> dict[str, Any]:
    from importlib.metadata import version

    from ama.averaging.record import commit

    return {
        "before": str(options.before),
        "after": str(options.after),
        "dataset": str(options.dataset_path),
        "blocks_of_data": list(data["input_ids"].shape),
        "lr": options.lr,
        "seed": options.seed,
        "bf16": options.bf16,
        "optimizer": options.optimizer,
        "reward_model": str(options.reward_model or ""),
        "processes": arguments.world_size,
        "parallel": arguments.distributed_state.distributed_type.value
        if arguments.distributed_state
        else "NO",
        "commit": commit(),
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }


if __name__ == "__main__":
    run(main)
