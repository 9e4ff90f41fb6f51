"""RAFT, the paper's rejection sampling fine-tuning: sample, score, select, fine-tune, and again."""

from __future__ import annotations

import gc
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ama.data.samples import Sample, read_samples, write_samples
from ama.errors import UserError
from ama.processes import free_trainer, is_first, wait
from ama.sampling.rollout import rollout
from ama.settings.samples import LossOn
from ama.settings.sampling import SamplingSettings
from ama.training.prompts import prompts_of
from ama.training.resume import open_work
from ama.training.selection import Selection, SelectionSettings, collect, passing, select
from ama.training.settings import StageSettings
from ama.training.sft import train_sft
from ama.training.stage import describe_run
from ama.training.summary import write_summary


@dataclass(frozen=True)
class RaftSettings:
    """What decides a RAFT run, apart from models, prompts and the training of an iteration.

    Attributes:
        prompts: of an iteration.
        sampling: of the replies; its samples are those to each prompt.
        selection: of the samples to train on.
        block_size: tokens of a sample, at most.
        loss_on: which tokens count in the training.
        pool: how many samples with the highest rewards the collected ones are drawn from.
        collected: how many are drawn for the training of averaging ratios.

    Raises:
        UserError: for a number outside its range.
    """

    prompts: int = 2048
    sampling: SamplingSettings = field(default_factory=lambda: SamplingSettings(samples=32))
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    block_size: int = 512
    loss_on: LossOn = LossOn.RESPONSE
    pool: int = 5000
    collected: int = 2000

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("prompts", "block_size", "pool", "collected"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} {getattr(self, name)}: must be 1 or more")


@dataclass(frozen=True)
class Places:
    """Where a RAFT run reads and writes.

    Attributes:
        before: folder of the model to start from.
        judge: folder of the reward model.
        out: folder of the run, with a folder for each iteration.
    """

    before: Path
    judge: Path
    out: Path

    def iteration(self, number: int) -> Path:
        """Return the folder of an iteration, counted from 1."""
        return self.out / f"iteration_{number:02d}"

    def model(self, number: int) -> Path:
        """Return the folder of the model after an iteration; after 0 it is before."""
        return self.iteration(number) / "model" if number else self.before


def run_raft(
    places: Places, prompts: Sequence[str], iterations: int, settings: RaftSettings, training: StageSettings
) -> Path:
    """Run RAFT up to an iteration and collect samples of its model; what is there is not done again.

    Each iteration's folder gets selected.json (text2text with rewards), summary.json (mean reward of the
    model that was sampled, what the filters dropped) and model/; the last one's also collected.json
    (text_only with rewards, for `ama.optimize_masks`) and collected_summary.json.

    Args:
        places: models and folder.
        prompts: to sample replies to.
        iterations: 1 or more. Not part of what makes the run: more go on, fewer stop earlier.
        settings: of the run.
        training: of the fine-tuning; iteration i is seeded by seed + i. With a moving average of the weights,
            an iteration samples from the average of the one before, and its weights and its average go on
            from there: one average over all iterations, to which the weights return after each.

    Returns:
        The folder of the last iteration.

    Raises:
        UserError: the folder holds another run, no sample passes the filters, or as the steps raise.
    """
    run = describe_run(
        training, list(prompts), before=str(places.before), judge=str(places.judge), raft=asdict(settings)
    )
    if is_first():
        open_work(places.out, run)
    wait()
    begun, done = time.monotonic(), 0
    for number in range(1, iterations + 1):
        chosen = _selected(places, prompts, number, settings, training)
        if not places.model(number).exists():
            train_sft(
                places.model(number - 1),
                chosen,
                places.model(number),
                replace(training, seed=training.seed + number),
                block_size=settings.block_size,
                loss_on=settings.loss_on,
                pack=False,
                before=places.before,
            )
            free_trainer()
            done += 1
            left = (time.monotonic() - begun) / done * (iterations - number)
            if is_first():
                sys.stderr.write(f"RAFT: iteration {number} of {iterations} done, {left:.0f} s left\n")
    _collect(places, prompts, iterations, settings, training)
    return places.iteration(iterations)


def _selected(
    places: Places, prompts: Sequence[str], number: int, settings: RaftSettings, training: StageSettings
) -> list[Sample]:
    """Return the samples that an iteration trains on, from their file if there is one."""
    folder = places.iteration(number)
    if not (folder / "summary.json").is_file():
        samples = _sample(places, prompts, number, settings, training, folder / "sampling")
        chosen = select(samples, settings.selection)
        if is_first():
            write_samples(folder / "selected.json", chosen.samples, joined=False)
            write_summary(folder / "summary.json", places.model(number - 1), samples, chosen)
    if is_first():
        shutil.rmtree(folder / "sampling", ignore_errors=True)
    wait()
    return read_samples(folder / "selected.json")


def _collect(
    places: Places, prompts: Sequence[str], number: int, settings: RaftSettings, training: StageSettings
) -> None:
    """Sample once more, with the model after an iteration, and draw from the samples with high rewards."""
    folder = places.iteration(number)
    if not (folder / "collected_summary.json").is_file():
        samples = _sample(places, prompts, number + 1, settings, training, folder / "collecting")
        passed = passing(samples, settings.selection)
        drawn = collect(passed.samples, settings.pool, settings.collected, training.seed)
        if not drawn:
            raise UserError("no sample of the last model passes the filters: stop at an earlier iteration")
        if is_first():
            write_samples(folder / "collected.json", drawn)
            chosen = Selection(drawn, passed.dropped)
            write_summary(folder / "collected_summary.json", places.model(number), samples, chosen)
    if is_first():
        shutil.rmtree(folder / "collecting", ignore_errors=True)
    wait()


def _sample(
    places: Places,
    prompts: Sequence[str],
    number: int,
    settings: RaftSettings,
    training: StageSettings,
    work: Path,
) -> list[Sample]:
    chosen = prompts_of(prompts, settings.prompts, number - 1, training.seed)
    sampling = replace(settings.sampling, seed=training.seed + number)
    dtype = "bfloat16" if training.bf16 else "float32"
    samples = rollout(places.model(number - 1), places.judge, chosen, sampling, work, dtype)
    gc.collect()
    return samples
