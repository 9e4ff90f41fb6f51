"""The reward of replies to prompts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.checkpoint.provenance import provenance
from ama.checkpoint.resolve import locate
from ama.data.samples import Sample
from ama.evaluation.measure import Measure, Measurement, Number
from ama.evaluation.measures.batch_size import check_batch_size
from ama.evaluation.measures.files import fingerprint_of, keyed_name
from ama.evaluation.measures.reward.scoring import numbers_of, score_replies
from ama.evaluation.measures.rollouts import Rollouts, read_rollouts, rollouts_of
from ama.evaluation.subject import Subject
from ama.models import load_reward_model, load_tokenizer
from ama.processes import is_first
from ama.sampling.prompts import prompts_in
from ama.sampling.rollout import placed
from ama.settings.evaluation import ScoringSettings
from ama.settings.measures import BatchSize, RewardSettings


@dataclass(frozen=True)
class RewardMeasure(Measure):
    """Replies to prompts, judged by a reward model.

    Attributes:
        what: what goes into the rows.
        rollouts: prompts and sampling.
        judge: folder of the reward model.
        batch_size: replies that are scored at a time.
    """

    what: Measurement
    rollouts: Rollouts
    judge: Path
    batch_size: BatchSize

    metrics = ("reward",)
    has_judge = True

    @property
    def needs_folder(self) -> bool:
        """Whether vLLM samples."""
        return self.rollouts.how.engine == "vllm"

    def prepare(self) -> None:
        """Read the reward model, so that a wrong one is not found out after hours of sampling.

        It is loaded again when all have replied: sampling has the memory for itself.
        """
        load_reward_model(self.judge)

    @cached_property
    def _reader(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        return placed(load_reward_model(self.judge)), load_tokenizer(self.judge)

    def open(self, subject: Subject) -> Path:
        """Draw a model's replies; return their folder."""
        return self.rollouts.draw(subject)

    def run(self, subject: Subject, opened: Path) -> list[Number]:
        """Score a model's replies."""
        return numbers_of(self._score(subject, opened))

    def _score(self, subject: Subject, folder: Path) -> list[Sample]:
        """Return a model's replies with their rewards, which stay in its folder."""
        samples = read_rollouts(folder)
        texts = [text for sample in samples for text in (sample.prompt, sample.reply)]
        decides = {"judge": self.what.settings["reward_model_weights"], "replies": fingerprint_of(texts)}
        path = folder / f"{keyed_name(f'rewards_{self.judge.name}', decides)}.json"
        scored = score_replies(*self._reader, samples, self.batch_size, path, rerun=self.rollouts.rerun)
        if is_first():
            sys.stderr.write(f"{subject.label}: replies with rewards in {path}\n")
        return scored


def reward_measures(settings: RewardSettings, scoring: ScoringSettings) -> list[Measure]:
    """Return the one measure of a reward model and prompts.

    Raises:
        UserError: a judge or prompts that are not there, or `auto` as batch size of several processes.
    """
    check_batch_size(settings.batch_size)
    judge = locate(settings.reward_model, None)[0]
    rollouts = rollouts_of(settings, scoring, prompts_in(settings.prompts))
    of_rows = {
        **rollouts.settings,
        "reward_model": settings.reward_model,
        "reward_model_weights": provenance(judge).fingerprint,
    }
    task = settings.task or settings.prompts.stem
    what = Measurement("reward", task, "transformers", of_rows, settings.seed)
    return [RewardMeasure(what, rollouts, judge, settings.batch_size)]
