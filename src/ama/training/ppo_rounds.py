"""The rounds of a PPO training: which prompts each takes, what it reports, and going on after a cut."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from transformers import TrainerCallback

from ama.checkpoint.whole_file import write_whole
from ama.errors import UserError
from ama.training.prompts import prompts_of

_STATE = "trainer_state.json"
_KEPT = ("global_step", "episode", "log_history")


class Prompts:
    """The batches of this process, one for each round, without an end; iterating begins with round `begin`.

    Which prompts a round takes depends on the seed and its number alone.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        rollouts: int,
        seed: int,
        collate: Callable[[list[dict[str, Any]]], Any],
        process: tuple[int, int],
    ) -> None:
        """Divide the prompts.

        Args:
            rows: token ids of every prompt, as many as the rollouts or more.
            rollouts: prompts of a round, over all processes.
            seed: of their order.
            collate: makes a batch of rows.
            process: number of this process, and how many there are.
        """
        self.begin = 0
        self._rows, self._rollouts, self._seed, self._collate = rows, rollouts, seed, collate
        rank, size = process
        self._part = slice(rank * rollouts // size, (rank + 1) * rollouts // size)

    def __iter__(self) -> Iterator[Any]:
        """Yield a batch for each round."""
        for number in itertools.count(self.begin):
            chosen = prompts_of(self._rows, self._rollouts, number, self._seed)
            yield self._collate([{"input_ids": row} for row in chosen[self._part]])


class Checkpoints(TrainerCallback):
    """Keep all that decides the rounds to come, and go on from it; TRL's trainer does neither by itself."""

    def __init__(self, accelerator: Accelerator, scheduler: Any, prompts: Prompts, begun: str | None) -> None:
        """Take what is to be kept.

        Args:
            accelerator: that has prepared the models and the optimizer.
            scheduler: of the learning rate.
            prompts: of the rounds.
            begun: folder of the checkpoint to go on from, None for none.
        """
        self._accelerator, self._scheduler, self._prompts = accelerator, scheduler, prompts
        self._begun = begun

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Restore weights, optimizer, learning rate and random numbers, and leave out the rounds before."""
        if self._begun is None:
            return
        self._accelerator.load_state(self._begun)
        kept = json.loads((Path(self._begun) / _STATE).read_text(encoding="utf-8"))
        for name in _KEPT:
            setattr(state, name, kept[name])
        self._scheduler.load_state_dict(kept["scheduler"])
        self._prompts.begin = state.global_step
        args.num_total_batches -= state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write a checkpoint of this round where one is due; the file that makes it count comes last."""
        if not control.should_save:
            return
        # TRL's own checkpoint would leave the value model out.
        control.should_save = False
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        # Not as safetensors, which would warn of each weight that the value model has under two names.
        self._accelerator.save_state(str(folder), safe_serialization=False)
        self._accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            kept = {name: getattr(state, name) for name in _KEPT}
            kept["scheduler"] = self._scheduler.state_dict()
            write_whole(folder / _STATE, [json.dumps(kept)])
            for other in set(folder.parent.glob("checkpoint-*")) - {folder}:
                shutil.rmtree(other)


class RoundLines(TrainerCallback):
    """Write the mean reward and the KL divergence of each round; stop a training that diverges."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Write one line.

        Raises:
            UserError: a mean that is no number.
        """
        if not logs or "objective/scores" not in logs:
            return
        reward, divergence = logs["objective/scores"], logs["objective/kl"]
        if not (math.isfinite(reward) and math.isfinite(divergence)):
            raise UserError(f"reward {reward}, KL {divergence} in round {state.global_step}; lower --lr")
        if state.is_world_process_zero:
            sys.stderr.write(
                f"round {state.global_step}/{state.max_steps}  reward {reward:.3f}  KL {divergence:.3f}"
                f"  lr {logs['lr']:.1e}\n"
            )
