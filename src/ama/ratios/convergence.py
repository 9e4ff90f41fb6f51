"""Whether the ratios have converged: when a training may stop, and what is said at its end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

RATE_FACTOR = 10
_STILL = 0.01
_TAIL = 0.8


def ratio_path(history: Sequence[dict[str, Any]]) -> list[list[float]]:
    """Return the ratios after each logged step, in order, from a Trainer's log history."""
    return [entry["ratios"] for entry in history if "ratios" in entry and "loss" in entry]


def largest_move(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the largest change of a ratio."""
    return max(abs(one - other) for one, other in zip(first, second, strict=True))


class StopWhenConverged(TrainerCallback):
    """End the training when no ratio has moved by more than `tolerance` over the last `window` steps."""

    def __init__(self, tolerance: float, window: int) -> None:
        """Take the tolerance, in units of ratio (0 never stops), and the window in steps."""
        self.tolerance, self.window = tolerance, window

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Look at the path so far, which a resumed run has from its checkpoint."""
        path = ratio_path(state.log_history)
        if self.tolerance and len(path) > self.window:
            recent = path[-self.window - 1 :]
            if max(largest_move(recent[0], ratios) for ratios in recent[1:]) <= self.tolerance:
                control.should_training_stop = True


def describe_path(start: Sequence[float], history: Sequence[dict[str, Any]], lr: float) -> list[str]:
    """Say how far the ratios moved, and warn where they were still moving, never did, or left [0, 1].

    The learning rate falls to nothing, and stills any ratio: what tells is the way that the last fifth of
    the summed learning rate made. Of a steady drift that is a fifth of the whole; settled is less than a
    twentieth.

    Args:
        start: ratios before the first step.
        history: the Trainer's log history.
        lr: the peak learning rate, for the advice.
    """
    path = [start, *ratio_path(history)]
    if len(path) == 1:
        return ["warning: no step was taken"]
    rates = [entry["learning_rate"] for entry in history if "ratios" in entry and "loss" in entry]
    way = max(largest_move(start, ratios) for ratios in path)
    spent = list(accumulate(rates, initial=0.0))
    tail = next(step for step, sum_so_far in enumerate(spent) if sum_so_far >= _TAIL * spent[-1])
    late = largest_move(path[min(tail, len(rates) - 1)], path[-1])
    moved = f"the ratios moved by {way:.4f} in {len(rates)} steps"
    if way < _STILL:
        lines = [f"warning: {moved}: they hardly left their start; try --lr {lr * RATE_FACTOR:g} or more"]
    elif late > way / 20:
        lines = [
            f"warning: {moved}, and still by {late:.4f} in the last fifth: not settled; "
            f"try --lr {lr * RATE_FACTOR:g} or more steps"
        ]
    else:
        lines = [f"{moved}, by {late:.4f} in the last fifth: settled"]
    if max(path[-1]) > 1:
        lines.append(
            f"warning: ratio {max(path[-1]):.4f} extrapolates beyond before, and a merge will refuse it: "
            "raise --epsilon, lower --mean_ratio, or use --approach mask_shift_sigmoid_linear"
        )
    return lines
