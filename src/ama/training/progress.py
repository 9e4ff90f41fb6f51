"""Report a training's progress, one line at a time."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ama.errors import UserError

_SHOWN = 8


class ProgressLines(TrainerCallback):
    """Write step, loss, learning rate, ratios and time left at each log; stop a training that diverges."""

    def __init__(self) -> None:
        """Start the clock; it starts anew with the training."""
        self._start_time = 0.0
        self._start_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Note where and when this run starts, which may be in the middle of a resumed training."""
        self._start_time = time.monotonic()
        self._start_step = state.global_step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Write one line.

        Raises:
            UserError: if the loss is not finite.
        """
        if not logs or "loss" not in logs:
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise UserError(f"the loss became {loss} by step {state.global_step}; lower --lr")
        if state.is_world_process_zero:
            seconds = time.monotonic() - self._start_time
            left = seconds / (state.global_step - self._start_step) * (state.max_steps - state.global_step)
            sys.stderr.write(
                f"step {state.global_step}/{state.max_steps}  loss {loss:.3f}"
                f"  lr {logs['learning_rate']:.1e}{_ratios(logs)}  {left:.0f} s left\n"
            )


class EvaluationLines:
    """Write count, value, ratios and time left after each evaluation of a search."""

    def __init__(self, total: int, *, shown: bool) -> None:
        """Start the clock.

        Args:
            total: how many evaluations there will be, about.
            shown: whether this process is the one that writes.
        """
        self._total, self._shown = total, shown
        self._start, self._count = time.monotonic(), 0

    def __call__(self, done: int, value: float, ratios: Sequence[float]) -> None:
        """Write one line; `done` counts the evaluations of earlier, interrupted runs too."""
        self._count += 1
        left = (time.monotonic() - self._start) / self._count * max(0, self._total - done)
        if self._shown:
            sys.stderr.write(
                f"evaluation {done}/{self._total}  objective {value:.4f}"
                f"{_ratios({'ratios': ratios})}  {left:.0f} s left\n"
            )


def _ratios(logs: Mapping[str, Any]) -> str:
    """Return learned ratios, where the log has them: all of a few, else their range."""
    values = logs.get("ratios", [])
    if len(values) > _SHOWN:
        return f"  ratios {min(values):.4f} to {max(values):.4f}"
    return "  ratios " + " ".join(f"{value:.4f}" for value in values) if values else ""
