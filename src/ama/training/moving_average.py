"""A moving average of the weights over the steps of a training, which takes their place at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ama.models.sharded import is_divided, own_share, set_own_share


class MovingAverage(TrainerCallback):
    """Keep average = decay * average + (1 - decay) * weights after each optimizer step (paper, section 4).

    The average begins as the weights before the training and is kept in float32, on each process for the
    values that are there: all of them, or its share under ZeRO-3, so that nothing is gathered. It is part of
    every checkpoint. At the end of the training the model gets it in place of the last weights. Of a model
    with adapters, their factors are averaged; of one that DeepSpeed keeps in bfloat16, the rounded weights.
    """

    def __init__(self, decay: float) -> None:
        """Take the share of the old average in the new one, in [0, 1)."""
        self.decay = decay
        self._average: dict[str, Tensor] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Begin with the weights as they are, or with the average in the checkpoint that is gone on from."""
        model: nn.Module = others["model"]
        self._average = {name: share.float().clone() for name, share in _shares(model).items()}
        if state.global_step:
            kept = load_file(_place(args, state, model))
            for name, average in self._average.items():
                average.copy_(kept[name])

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Take the new weights in, and write the average where a checkpoint of this step comes next.

        The file that makes the checkpoint count is written after it, by the Trainer.
        """
        model: nn.Module = others["model"]
        for name, share in _shares(model).items():
            self._average[name].lerp_(share.float(), 1 - self.decay)
        if control.should_save and (state.is_world_process_zero or _is_divided(model)):
            place = _place(args, state, model)
            place.parent.mkdir(parents=True, exist_ok=True)
            save_file(self._average, place)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Put the average in the place of the weights."""
        for name, parameter in _trained(others["model"]).items():
            set_own_share(parameter, self._average[name])


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _shares(model: nn.Module) -> dict[str, Tensor]:
    return {name: own_share(parameter) for name, parameter in _trained(model).items()}


def _is_divided(model: nn.Module) -> bool:
    return any(is_divided(parameter) for parameter in model.parameters())


def _place(args: TrainingArguments, state: TrainerState, model: nn.Module) -> Path:
    """Return the file of the average beside the checkpoint of the current step, one for each share."""
    share = f"-{args.process_index}" if _is_divided(model) else ""
    return Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / f"average{share}.safetensors"
