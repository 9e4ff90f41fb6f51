"""The hidden score of replies to a sandbox's prompts: what its reward model only guesses at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ama.data.samples import Sample
from ama.errors import UserError
from ama.evaluation.items import mean_items
from ama.evaluation.measure import Measure, Measurement, Number
from ama.evaluation.measures.files import fingerprint_of
from ama.evaluation.measures.rollouts import Rollouts, read_rollouts, rollouts_of
from ama.evaluation.subject import Subject
from ama.sampling.measures import mean_over_prompts, means_of_prompts
from ama.sampling.prompts import prompts_in
from ama.sandbox.gold import NOTE_NAME, gold_of, world_of
from ama.settings.evaluation import ScoringSettings
from ama.settings.measures import GoldSettings


@dataclass(frozen=True)
class GoldMeasure(Measure):
    """The gold score of replies; what the reward has drawn is not drawn again.

    Attributes:
        what: what goes into the rows.
        rollouts: prompts and sampling.
        world: folder of the sandbox.
    """

    what: Measurement
    rollouts: Rollouts
    world: Path

    metrics = ("gold",)

    @property
    def needs_folder(self) -> bool:
        """Whether vLLM samples."""
        return self.rollouts.how.engine == "vllm"

    def open(self, subject: Subject) -> Path:
        """Draw a model's replies; return their folder."""
        return self.rollouts.draw(subject)

    def run(self, subject: Subject, opened: Path) -> list[Number]:
        """Score a model's replies by the world's rules."""
        return gold_numbers(self.world, read_rollouts(opened))


def gold_measures(settings: GoldSettings, scoring: ScoringSettings) -> list[Measure]:
    """Return the one measure of a sandbox.

    Raises:
        UserError: there is no sandbox, or no prompts.
    """
    # Now, and not after hours of sampling.
    world_of(settings.world)
    prompts = prompts_in(settings.prompts or settings.world / "data" / "held_out_prompts.json")
    rollouts = rollouts_of(settings, scoring, prompts)
    note = (settings.world / NOTE_NAME).read_text(encoding="utf-8")
    of_rows = {**rollouts.settings, "world": fingerprint_of([note])}
    what = Measurement("gold", "sandbox", "ama", of_rows, settings.seed)
    return [GoldMeasure(what, rollouts, settings.world)]


def gold_numbers(folder: Path, samples: Sequence[Sample]) -> list[Number]:
    """Return the mean gold score over the replies to a prompt and then over prompts.

    Args:
        folder: of a sandbox.
        samples: replies to prompts of its world, one or more.

    Returns:
        One number, `gold`, with its standard error over prompts.

    Raises:
        UserError: as `gold_of`, or no sample.
    """
    if not samples:
        raise UserError("no replies to score by the gold score: draw some first")
    prompts = [sample.prompt for sample in samples]
    scores = gold_of(folder, samples)
    items = mean_items(means_of_prompts(prompts, scores))
    return [Number("gold", *mean_over_prompts(prompts, scores), items)]
