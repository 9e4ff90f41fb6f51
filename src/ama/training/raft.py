"""RAFT, the paper's rejection sampling fine-tuning: sample, score, select, fine-tune, and again."""

from __future__ import annotations

import gc
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ama.checkpoint.whole_file import write_whole
from ama.data.samples import Sample, read_samples, write_samples
from ama.errors import UserError
from ama.models import load_reward_model, quiet
from ama.processes import free_trainer, is_first, wait
from ama.sampling.measures import mean_over_prompts
from ama.sampling.prompts import read_prompts
from ama.sampling.rollout import rollout
from ama.settings.base import record_of
from ama.settings.sampling import PromptSettings
from ama.settings.training import RaftFiles, RaftRecipe, SftSettings
from ama.training.arguments import join_for_training
from ama.training.prompts import prompts_of
from ama.training.resume import open_work
from ama.training.selection import Selection, collect, passing, select
from ama.training.sft import train_sft
from ama.training.stage import describe_run


def run_raft(files: RaftFiles, prompting: PromptSettings, recipe: RaftRecipe) -> None:
    """Read the prompts and run RAFT; the processes of a run share the work. See `train_raft`.

    Raises:
        UserError: data or models that can't be read, or as `train_raft`.
    """
    quiet()
    prompts = read_prompts(prompting.prompts, files.model, prompting.max_prompt_tokens)
    # Read now, so that a wrong one is not found out after hours of sampling.
    load_reward_model(files.reward_model)
    join_for_training(recipe.training)
    given = record_of([files, prompting, *recipe.groups()])
    last = train_raft(files.model, files.reward_model, prompts, files.out, recipe, given)
    sys.stderr.write(f"model: {last / 'model'}, samples for learned ratios: {last / 'collected.json'}\n")


def train_raft(
    before: Path,
    judge: Path,
    prompts: Sequence[str],
    out: Path,
    recipe: RaftRecipe,
    given: Mapping[str, object] | None = None,
) -> Path:
    """Run RAFT up to an iteration and collect samples of its model; what is there is not done again.

    Each iteration's folder gets selected.json (text2text with rewards), summary.json (mean reward of the
    model that was sampled, what the filters dropped) and model/; the last one's also collected.json
    (text_only with rewards, for `ama.optimize_masks`) and collected_summary.json.

    Args:
        before: folder of the model to start from.
        judge: folder of the reward model.
        prompts: to sample replies to.
        out: folder of the run, with a folder for each iteration.
        recipe: of the run.
        given: settings of the command, for the record of each model.

    Returns:
        The folder of the last iteration.

    Raises:
        UserError: the folder holds another run, no sample passes the filters, or as the steps raise.
    """
    run = describe_run(recipe.groups(), list(prompts), before=str(before), judge=str(judge))
    # More iterations go on, fewer stop earlier.
    del run["iterations"]
    if is_first():
        open_work(out, run)
    wait()
    return _Run(before, judge, prompts, out, recipe, given).up_to(recipe.raft.iterations)


@dataclass(frozen=True)
class _Run:
    """A run of RAFT in its folder, of which every step that is done is kept."""

    before: Path
    judge: Path
    prompts: Sequence[str]
    out: Path
    recipe: RaftRecipe
    given: Mapping[str, object] | None

    def up_to(self, iterations: int) -> Path:
        """Do what is missing of some iterations; return the folder of the last one."""
        recipe, begun, done = self.recipe, time.monotonic(), 0
        rows = SftSettings(block_size=recipe.raft.block_size, loss_on=recipe.raft.loss_on)
        for number in range(1, iterations + 1):
            samples = self._selected(number)
            if self._model(number).exists():
                continue
            train_sft(
                self._model(number - 1),
                samples,
                self._model(number),
                rows,
                replace(recipe.training, seed=recipe.training.seed + number),
                recipe.lora,
                recipe.baselines,
                before=self.before,
                given=self.given,
            )
            free_trainer()
            done += 1
            left = (time.monotonic() - begun) / done * (iterations - number)
            if is_first():
                sys.stderr.write(f"RAFT: iteration {number} of {iterations} done, {left:.0f} s left\n")
        self._collect(iterations)
        return self._folder(iterations)

    def _folder(self, number: int) -> Path:
        """Return the folder of an iteration, counted from 1."""
        return self.out / f"iteration_{number:02d}"

    def _model(self, number: int) -> Path:
        """Return the folder of the model after an iteration; after 0 it is before."""
        return self._folder(number) / "model" if number else self.before

    def _selected(self, number: int) -> list[Sample]:
        """Return the samples that an iteration trains on, from their file if there is one."""
        folder = self._folder(number)
        if not (folder / "summary.json").is_file():
            samples = self._sample(number, folder / "sampling")
            chosen = select(samples, self.recipe.selection)
            if is_first():
                write_samples(folder / "selected.json", chosen.samples, joined=False)
                _write_summary(folder / "summary.json", self._model(number - 1), samples, chosen)
        if is_first():
            shutil.rmtree(folder / "sampling", ignore_errors=True)
        wait()
        return read_samples(folder / "selected.json")

    def _collect(self, number: int) -> None:
        """Sample once more, with the model after an iteration, and draw from those with high rewards."""
        folder, recipe = self._folder(number), self.recipe
        if not (folder / "collected_summary.json").is_file():
            samples = self._sample(number + 1, folder / "collecting")
            passed = passing(samples, recipe.selection)
            pool, count = recipe.collection.pool, recipe.collection.collected
            drawn = collect(passed.samples, pool, count, recipe.training.seed)
            if not drawn:
                raise UserError("no sample of the last model passes the filters: stop an iteration earlier")
            if is_first():
                write_samples(folder / "collected.json", drawn)
                chosen = Selection(drawn, passed.dropped)
                _write_summary(folder / "collected_summary.json", self._model(number), samples, chosen)
        if is_first():
            shutil.rmtree(folder / "collecting", ignore_errors=True)
        wait()

    def _sample(self, number: int, work: Path) -> list[Sample]:
        """Sample with the model that an iteration begins with, on the prompts of that iteration."""
        training, raft = self.recipe.training, self.recipe.raft
        prompts = prompts_of(self.prompts, raft.prompts_per_iteration, number - 1, training.seed)
        sampling = self.recipe.sampling.seeded(training.seed + number)
        dtype = "bfloat16" if training.bf16 else "float32"
        samples = rollout(self._model(number - 1), self.judge, prompts, sampling, work, dtype)
        gc.collect()
        return samples


def _write_summary(path: Path, model: Path, samples: Sequence[Sample], chosen: Selection) -> None:
    """Write the mean reward of a model's samples, its standard error over prompts, and what was kept."""
    mean = mean_over_prompts(
        [sample.prompt for sample in samples], [sample.reward or 0.0 for sample in samples]
    )
    kept = [sample.reward or 0.0 for sample in chosen.samples]
    summary = {
        "model": str(model),
        "mean_reward": mean.value,
        "stderr": mean.stderr or 0.0,
        "prompts": mean.n,
        "samples": len(samples),
        "dropped": chosen.dropped,
        "kept": len(kept),
        "mean_reward_of_kept": sum(kept) / len(kept),
    }
    write_whole(path, [json.dumps(summary, indent=1)])
    sys.stderr.write(
        f"{model}: mean reward {mean.value:.3f} +- {summary['stderr']:.3f} on {mean.n} prompts; "
        f"{len(kept)} samples kept, with {summary['mean_reward_of_kept']:.3f}\n"
    )
