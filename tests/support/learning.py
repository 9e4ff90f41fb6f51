"""A model folder that can learn, texts to learn from, and a training that is cut short."""

from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torch import Tensor
from transformers import Trainer

from support.tiny import make_llama, make_tokenizer

EASY = "the model before and after RLHF " * 40
OTHER = "RLHF the RLHF before RLHF model " * 40


def make_learner(folder: Path, **config: object) -> Path:
    """Save a tiny Llama with the tokenizer of ten words, and return the folder."""
    return make_tokenizer(make_llama(folder, 1, **config))


def write_text(folder: Path, name: str = "easy.txt", text: str = EASY) -> Path:
    """Write a text file and return its path."""
    path = folder / name
    path.write_text(text)
    return path


def crash_at(step: int) -> Any:
    """Let a training stop as by a crash while it computes one step."""
    compute = Trainer.training_step

    def training_step(self: Trainer, *arguments: Any, **options: Any) -> Tensor:
        if self.state.global_step + 1 == step:
            raise KeyboardInterrupt
        return compute(self, *arguments, **options)

    return patch.object(Trainer, "training_step", training_step)


def crash_at_call(number: int) -> Any:
    """Let the process stop as by a crash at one of its training steps, counted over all its trainings."""
    compute = Trainer.training_step
    calls = count(1)

    def training_step(self: Trainer, *arguments: Any, **options: Any) -> Tensor:
        if next(calls) == number:
            raise KeyboardInterrupt
        return compute(self, *arguments, **options)

    return patch.object(Trainer, "training_step", training_step)
