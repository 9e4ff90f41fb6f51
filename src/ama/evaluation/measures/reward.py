"""The reward of replies to prompts as a measure, and the options that say how they are drawn and judged."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser
from ama.evaluation.measure import Measure
from ama.evaluation.options import BatchSize, add_batch_size, add_drawing
from ama.sampling.options import add_chat, add_prompt_limit, add_sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ama.data.samples import Sample
    from ama.evaluation.measures.replies import Asked
    from ama.evaluation.recording import Measurement, Number
    from ama.evaluation.subject import Subject


def add_reward(parser: Parser) -> None:
    """Add the options that `reward_measure` reads."""
    add = parser.add_argument
    add("--reward_model", required=True, metavar="MODEL", help="folder or hub id of the judge")
    add("--prompts", type=Path, required=True, metavar="PATH", help="LMFlow JSON: file or folder")
    add("--task", metavar="NAME", help="in the file of scores; by default the name of --prompts")
    add_batch_size(parser, 64)
    add_replies(parser)


def add_replies(parser: Parser) -> None:
    """Add the options that say how replies to dialogues are drawn, with the paper's values."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="for the replies; by default `replies` beside --scores"
    )
    add_prompt_limit(parser, 256)
    add_sampling(parser, max_new_tokens=196)
    add_chat(parser, template="never", system="")
    add_drawing(parser, seed=0)


@dataclass(frozen=True)
class RewardMeasure(Measure):
    """Replies to prompts, judged by a reward model.

    Attributes:
        what: what goes into the rows.
        asked: prompts and sampling.
        judge: folder of the reward model.
        batch_size: replies that are scored at a time.
        out: has a folder for the replies of each model.
        rerun: draw and score what is there already.
    """

    what: Measurement
    asked: Asked
    judge: Path
    batch_size: BatchSize
    out: Path
    rerun: bool

    metrics = ("reward",)

    def prepare(self) -> None:
        """Read the reward model, so that a wrong one is not found out after hours of sampling.

        It is not kept: sampling has the memory for itself.
        """
        from ama.models import load_reward_model

        load_reward_model(self.judge)

    @cached_property
    def _reader(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        from ama.models import load_reward_model, load_tokenizer
        from ama.sampling.rollout import placed

        return placed(load_reward_model(self.judge)), load_tokenizer(self.judge)

    def draw(self, subjects: Sequence[Subject]) -> list[Path]:
        """Draw the replies of each model; return their folders."""
        from ama.evaluation.measures.replies import draw_all

        return draw_all(subjects, self.asked, self.out, rerun=self.rerun)

    def score(self, subject: Subject, folder: Path) -> list[Sample]:
        """Return a model's replies with their rewards, which stay in its folder."""
        from ama.evaluation.kept import fingerprint_of, keyed_name
        from ama.evaluation.measures.replies import read_drawn
        from ama.evaluation.measures.rewards import score_replies
        from ama.processes import is_first

        samples = read_drawn(folder)
        texts = [text for sample in samples for text in (sample.prompt, sample.reply)]
        decides = {"judge": self.what.settings["reward_model_weights"], "replies": fingerprint_of(texts)}
        path = folder / f"{keyed_name(f'rewards_{self.judge.name}', decides)}.json"
        scored = score_replies(*self._reader, samples, self.batch_size, path, rerun=self.rerun)
        if is_first():
            sys.stderr.write(f"{subject.label}: replies with rewards in {path}\n")
        return scored

    def run(self, subject: Subject) -> list[Number]:
        """Draw a model's replies and score them."""
        from ama.evaluation.measures.rewards import numbers_of

        (folder,) = self.draw([subject])
        return numbers_of(self.score(subject, folder))


def reward_measure(options: Namespace) -> RewardMeasure:
    """Return what the options of `add_reward` ask for, and --dtype, --scores and --rerun.

    Raises:
        UserError: a judge or prompts that are not there, or a number outside its range.
    """
    from ama.checkpoint.resolve import locate
    from ama.evaluation.batch_size import check_batch_size
    from ama.evaluation.kept import out_folder
    from ama.evaluation.measures.replies import asked_of
    from ama.evaluation.recording import Measurement
    from ama.models import provenance
    from ama.sampling.prompts import prompts_in

    check_batch_size(options.batch_size)
    judge = locate(options.reward_model, None)[0]
    asked = asked_of(options, prompts_in(options.prompts))
    settings = {
        **asked.settings,
        "reward_model": options.reward_model,
        "reward_model_weights": provenance(judge).fingerprint,
    }
    task = options.task or options.prompts.stem
    what = Measurement("reward", task, "transformers", settings, asked.sampling.seed)
    return RewardMeasure(what, asked, judge, options.batch_size, out_folder(options), options.rerun)
