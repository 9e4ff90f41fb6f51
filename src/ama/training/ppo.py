"""Proximal policy optimisation; the one module that knows TRL's experimental PPO trainer."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, set_seed

from ama.checkpoint.staging import check_model_target
from ama.errors import UserError
from ama.models import load_model, load_reward_model, load_tokenizer, quiet
from ama.processes import launched
from ama.sampling.encoding import check_vocabulary, context_length, encode_prompts
from ama.sampling.prompts import read_prompts
from ama.settings.base import record_of
from ama.settings.sampling import PromptSettings
from ama.settings.training import PPO, LoraSettings, PolicyFiles, PpoSettings, TrainingSettings
from ama.training.arguments import stage_arguments
from ama.training.lora import lora_config
from ama.training.ppo_rounds import Checkpoints, Prompts, RoundLines
from ama.training.resume import open_work
from ama.training.stage import describe_run, finish, work_of

_LORA, _PPO = LoraSettings(), PpoSettings()


def run_ppo(
    files: PolicyFiles,
    prompting: PromptSettings,
    ppo: PpoSettings = _PPO,
    training: TrainingSettings = PPO,
    lora: LoraSettings = _LORA,
) -> None:
    """Read prompts and train a model on its replies to them; see `train_ppo`.

    Raises:
        UserError: a result that is there already, data that can't be read, or as `train_ppo`.
    """
    check_model_target(files.out, overwrite=files.overwrite)
    quiet()
    prompts = read_prompts(prompting.prompts, files.model, prompting.max_prompt_tokens)
    given = record_of([files, prompting, ppo, training, lora])
    train_ppo(files.model, files.reward_model, prompts, files.out, ppo, training, lora, given=given)


def train_ppo(
    base: Path,
    judge: Path,
    prompts: Sequence[str],
    out: Path,
    ppo: PpoSettings = _PPO,
    training: TrainingSettings = PPO,
    lora: LoraSettings = _LORA,
    *,
    given: Mapping[str, object] | None = None,
) -> None:
    """Train a model against a reward model by PPO, and save it; goes on where an earlier run was cut short.

    The value model begins as the reward model. Unlike elsewhere, a reply ends at the end-of-text token
    only, not at the next `###Human`.

    Args:
        base: folder of the model to start from, which the KL divergence is taken from.
        judge: folder of the reward model, of the same vocabulary.
        prompts: to sample replies to.
        out: folder for the trained model.
        ppo: rounds and rewards; each round gives `epochs` * rollouts / batch optimizer steps.
        training: the hyperparameters, without a micro_batch: each process takes its share at once.
        lora: adapters to train in place of the weights.
        given: settings of the command, for the record.

    Raises:
        UserError: two vocabularies, no padding token of its own, a prompt that is too long, or rollouts that
            can't be divided.
    """
    # TRL warns that this part may change; it is pinned.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.ppo.ppo_config import PPOConfig
    from trl.experimental.ppo.ppo_trainer import PPOTrainer

    quiet()
    tokenizer = load_tokenizer(base)
    _check_same_vocabulary(tokenizer, load_tokenizer(judge), base, judge)
    tokenizer.pad_token_id = padding_apart(tokenizer)
    tokenizer.padding_side = "left"
    rows = encode_prompts(tokenizer, prompts)
    share, minibatches = _shares(training, ppo)
    if len(rows) < ppo.rollouts:
        raise UserError(
            f"{len(rows)} prompts are fewer than the {ppo.rollouts} rollouts of a round: lower --rollouts"
        )
    run = describe_run([ppo, training, lora], rows, base=str(base), judge=str(judge))
    own: dict[str, Any] = {
        # One share at a time: with accumulation TRL would step once a round, whatever the minibatches.
        "per_device_train_batch_size": share,
        "gradient_accumulation_steps": 1,
        # TRL's field hides the number that transformers reads from the environment.
        "world_size": launched()[1],
        # TRL's trainer clips no gradient; DeepSpeed shall not either.
        "max_grad_norm": 0.0,
        "num_mini_batches": minibatches,
        "num_ppo_epochs": int(training.epochs),
        "total_episodes": ppo.rollouts * ppo.rounds,
        "response_length": ppo.max_new_tokens,
        "stop_token": "eos",
        "missing_eos_penalty": ppo.missing_eos_penalty,
        "temperature": ppo.temperature,
        "kl_coef": ppo.kl_coef,
        "local_rollout_forward_batch_size": ppo.sample_batch,
        "num_sample_generations": 0,
        "logging_steps": 1,
    }
    work = work_of(out)
    arguments = stage_arguments(PPOConfig, work, training, **own)
    if arguments.deepspeed_plugin:
        # TRL makes an accelerator without the plugin, which then takes over that of this one.
        Accelerator(deepspeed_plugin=arguments.deepspeed_plugin)
    policy = load_model(base, "float32")
    check_vocabulary(policy, tokenizer)
    _check_room(rows, policy, ppo.max_new_tokens)
    # Adapters are drawn before TRL seeds anything, and it never seeds NumPy, which orders the minibatches.
    set_seed(training.seed)
    trainer = PPOTrainer(
        args=arguments,
        processing_class=tokenizer,
        model=policy,
        ref_model=load_model(base, "float32") if lora.lora_r is None else None,
        reward_model=_shifted(load_reward_model(judge, "float32"), ppo.reward_baseline),
        value_model=load_reward_model(judge, "float32"),
        train_dataset=Dataset.from_list([{"input_ids": row} for row in rows]),
        callbacks=[RoundLines()],
        peft_config=lora_config(lora, policy, None),
    )
    _go_through_rounds(trainer, rows, ppo.rollouts, run)
    finish(trainer, load_tokenizer(base), base, out, training.dtype, run, given, part="policy")


def _go_through_rounds(
    trainer: Any, rows: Sequence[Sequence[int]], rollouts: int, run: dict[str, object]
) -> None:
    """Run the rounds that are left with TRL's trainer, which is given the prompts in an order of our own."""
    with trainer.args.main_process_first():
        begun = open_work(Path(trainer.args.output_dir), run)
    accelerator = trainer.accelerator
    process = (accelerator.process_index, accelerator.num_processes)
    prompts = Prompts(rows, rollouts, trainer.args.seed, trainer.data_collator, process)
    trainer.dataloader = prompts
    trainer.add_callback(Checkpoints(accelerator, trainer.lr_scheduler, prompts, begun))
    trainer.remove_callback(PrinterCallback)
    with contextlib.redirect_stdout(sys.stderr):
        trainer.train()


def padding_apart(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return a token to pad with that ends no text, since PPO does not train on what is padding.

    The padding token, else another special token that begins or ends no text.

    Raises:
        UserError: there is none.
    """
    edges = {tokenizer.eos_token_id, tokenizer.bos_token_id, None}
    for token in (tokenizer.pad_token_id, tokenizer.unk_token_id, *tokenizer.all_special_ids):
        if token not in edges:
            return int(token)
    raise UserError(
        f"the tokenizer of {tokenizer.name_or_path} has no padding token apart from the end of text, which "
        "PPO must learn: set pad_token in its tokenizer_config.json"
    )


def _check_same_vocabulary(
    own: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase, base: Path, judge: Path
) -> None:
    if own.get_vocab() != other.get_vocab():
        raise UserError(
            f"the vocabularies of {base} ({len(own)} tokens) and of the reward model {judge} ({len(other)}) "
            "differ, and PPO passes tokens on as they are: train the reward model from this model's family"
        )


def _check_room(rows: Sequence[Sequence[int]], model: PreTrainedModel, new_tokens: int) -> None:
    longest, context = max(map(len, rows)), context_length(model)
    if context is not None and longest + new_tokens > context:
        raise UserError(
            f"a prompt of {longest} tokens with {new_tokens} new ones is more than the model's context of "
            f"{context}: lower --max_prompt_tokens or --max_new_tokens"
        )


def _shares(training: TrainingSettings, ppo: PpoSettings) -> tuple[int, int]:
    """Return the rollouts of each process, and how many minibatches they make."""
    if training.micro_batch is not None:
        raise UserError("--micro_batch: PPO takes a process's share of --batch at once: leave it out")
    processes = launched()[1]
    if ppo.rollouts % training.batch or training.batch % processes:
        raise UserError(
            f"rollouts {ppo.rollouts}, batch {training.batch}, {processes} processes: each must be "
            "a multiple of the next"
        )
    return ppo.rollouts // processes, ppo.rollouts // training.batch


def _shifted(judge: PreTrainedModel, baseline: float) -> PreTrainedModel:
    """Subtract a number from a reward model's output."""
    head: Any = judge.score
    if baseline:
        head.bias = torch.nn.Parameter(torch.full((1,), -baseline))
    return judge
