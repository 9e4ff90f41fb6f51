"""What trainings need, read off their command lines until their commands have settings groups."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ama.errors import UserError
from ama.planning import needs
from ama.planning.launched import Launched, zero_stage
from ama.planning.needs import Training
from ama.settings.planning import ModelSize

_MICRO_BATCH, _SAMPLE_BATCH, _PROMPT, _NEW_TOKENS = 4, 64, 256, 128


@dataclass(frozen=True)
class Line:
    """A command line: its options by name without dashes, the last of two; a flag has the value ''."""

    module: str
    processes: int
    options: dict[str, str]

    def number(self, name: str, default: int) -> int:
        text = self.options.get(name) or str(default)
        if not re.fullmatch("[1-9][0-9]{0,8}", text):
            raise UserError(f"--{name} '{text}' of {self.module} is no whole number above 0")
        return int(text)

    def training(self, sequences: int, tokens: int) -> Training:
        batch = self.number("batch", sequences * self.processes)
        if batch % self.processes:
            raise UserError(
                f"--batch {batch} can't be shared by {self.processes} processes: "
                "set num_gpus to a number that divides it"
            )
        return Training(
            processes=self.processes,
            zero_stage=zero_stage(Path(self.options.get("deepspeed", ""))),
            half="bf16" in self.options,
            sequences=min(sequences, batch // self.processes),
            tokens=tokens,
            recompute="gradient_checkpointing" in self.options,
            lora_rank=self.number("lora_r", 1) if "lora_r" in self.options else None,
        )


def old_line(launched: Launched) -> Line:
    options: dict[str, str] = {}
    name = ""
    for word in launched.words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            options[name] = value
        elif name and not options[name]:
            options[name] = word
    return Line(f"ama.{launched.command}", launched.processes, options)


_Estimate = tuple[float, float, float]


def _train_sft(line: Line, model: ModelSize, block: int = 2048) -> _Estimate:
    how = line.training(line.number("micro_batch", _MICRO_BATCH), line.number("block_size", block))
    memory = needs.trained_model(model, how) + needs.activations(model, how)
    return memory, 2 * needs.checkpoint(model, how), model.weights


def _train_reward(line: Line, model: ModelSize) -> _Estimate:
    how = line.training(2 * line.number("micro_batch", _MICRO_BATCH), line.number("max_length", 512))
    memory = needs.trained_model(model, how) + needs.activations(model, how, language=False)
    return memory, 2 * needs.checkpoint(model, how), model.weights


def _train_dpo(line: Line, model: ModelSize) -> _Estimate:
    how = line.training(2 * line.number("micro_batch", _MICRO_BATCH), line.number("max_length", 512))
    reference = 0.0 if how.lora_rank is not None else needs.frozen_model(model, how)
    memory = needs.trained_model(model, how) + reference + needs.activations(model, how)
    return memory, 2 * needs.checkpoint(model, how), model.weights


def _train_ppo(line: Line, model: ModelSize) -> _Estimate:
    tokens = line.number("max_prompt_tokens", _PROMPT) + line.number("max_new_tokens", _NEW_TOKENS)
    how = line.training(line.number("batch", 32), tokens)
    states = 2 * needs.trained_model(model, how) + 2 * needs.frozen_model(model, how)
    memory = states + 2 * needs.activations(model, how)
    return memory, 4 * needs.checkpoint(model, how), model.weights


def _train_raft(line: Line, model: ModelSize) -> _Estimate:
    trained, during, kept = _train_sft(line, model, 512)
    tokens = line.number("max_prompt_tokens", _PROMPT) + line.number("max_new_tokens", _NEW_TOKENS)
    judged = needs.sampling(model, line.number("sample_batch", _SAMPLE_BATCH), tokens) + model.weights
    return max(trained, judged), during, kept * line.number("iterations", 10)


TRAININGS: dict[str, Callable[[Line, ModelSize], _Estimate]] = {
    "train_sft": _train_sft,
    "train_reward": _train_reward,
    "train_raft": _train_raft,
    "train_dpo": _train_dpo,
    "train_ppo": _train_ppo,
}
