"""The replies of a model to prompts, drawn once, whatever judges them afterwards."""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.checkpoint.whole_file import write_whole
from ama.data.replies import check_not_blank
from ama.data.samples import Sample, read_samples, write_samples
from ama.evaluation.measures.files import fingerprint_of, keyed_name
from ama.evaluation.subject import Subject
from ama.models import load_tokenizer
from ama.processes import broadcast, is_first
from ama.sampling.chat import is_dialogue, marked, templated
from ama.sampling.journal import Journal
from ama.sampling.prompts import short_prompts
from ama.sampling.rollout import replies_by
from ama.sampling.vllm_engine import sample_with_vllm
from ama.settings.evaluation import ScoringSettings
from ama.settings.measures import RepliesSettings

_FILE, _NOTE = "replies.json", "settings.json"


@dataclass(frozen=True)
class Rollouts:
    """The replies of models to prompts: how they are drawn, and where they are.

    Attributes:
        prompts: instructions, or dialogues that end in `###Assistant:`.
        how: settings of the drawing. With a chat template prompts take its form, where the tokenizer has one;
            otherwise they are dialogues in our marks.
        dtype: of the weights, `auto` for the checkpoint's own.
        out: has a folder for each model.
        rerun: draw anew what is there already.
    """

    prompts: tuple[str, ...]
    how: RepliesSettings
    dtype: str
    out: Path
    rerun: bool

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the replies beside the model and the seed, as the rows have it."""
        how = self.how
        return {
            "prompts": fingerprint_of(self.prompts),
            "samples": how.samples,
            "temperature": float(how.temperature),
            "top_k": how.top_k,
            "top_p": float(how.top_p),
            "max_new_tokens": how.max_new_tokens,
            "batch": how.sample_batch,
            "engine": how.engine,
            "dtype": self.dtype,
            "max_prompt_tokens": how.max_prompt_tokens,
            "chat_template": self.in_template,
            "system": how.system if self.in_template else "",
        }

    @property
    def in_template(self) -> bool:
        """Whether prompts take the form of the tokenizer's chat template."""
        return self.how.chat_template == "auto"

    def folder(self, subject: Subject) -> Path:
        """Return the folder of a model's replies, named by the model and by all that decides them."""
        decides = {"weights": subject.fingerprint, "seed": self.how.seed, **self.settings}
        return self.out / keyed_name(subject.label, decides)

    def draw(self, subject: Subject) -> Path:
        """Draw a model's replies into a folder of their own; what is there is not drawn again.

        A run that was cut short goes on where it stopped. The processes of a run share the work.

        Args:
            subject: the model; it is loaded if there is something to draw, and freed.

        Returns:
            The folder, for `read_rollouts`.

        Raises:
            UserError: the model can't be loaded, a prompt does not fit, or all replies are blank.
        """
        folder = self.folder(subject)
        if broadcast((folder / _FILE).is_file() and not self.rerun):
            return folder
        if is_first():
            self._note(folder, subject)
        broadcast(None)
        journal: Journal[str] = Journal(folder, "replies")
        samples = self._drawn(subject, journal)
        gc.collect()
        said = [sample.reply for sample in samples]
        if is_first() and any(map(str.strip, said)):
            write_samples(folder / _FILE, samples, joined=False)
        if is_first():
            journal.remove()
        check_not_blank(said, f"the replies of {subject.label}")
        return folder

    def _note(self, folder: Path, subject: Subject) -> None:
        decides = {"model": subject.model, "schedule": subject.schedule, "weights": subject.fingerprint}
        settings = {**decides, "seed": self.how.seed, **self.settings}
        write_whole(folder / _NOTE, [json.dumps(settings, indent=1, ensure_ascii=False)])

    def _drawn(self, subject: Subject, journal: Journal[str]) -> list[Sample]:
        how = self.how
        if how.engine == "vllm" and subject.folder is not None:
            tokenizer = load_tokenizer(subject.folder)
            prompts, texts = self._formed(tokenizer)
            found = sample_with_vllm(
                subject.folder, texts, self.how, self.dtype, journal.writer(), journal.read()
            )
        else:
            model: PreTrainedModel
            model, tokenizer = subject.load(self.dtype)
            prompts, texts = self._formed(tokenizer)
            found = replies_by(model, tokenizer, texts, self.how, journal)
        encoded = tokenizer(found, add_special_tokens=False, verbose=False)["input_ids"]
        told = [prompt for prompt in prompts for _ in range(how.samples)]
        if self.in_template and tokenizer.chat_template:
            found = [_behind(prompt, reply) for prompt, reply in zip(told, found, strict=True)]
        return [
            Sample(prompt, reply, tokens=len(ids))
            for prompt, reply, ids in zip(told, found, encoded, strict=True)
        ]

    def _formed(self, tokenizer: PreTrainedTokenizerBase) -> tuple[list[str], list[str]]:
        """Return the prompts that are short enough, and the texts that the model is given for them."""
        prompts = list(self.prompts)
        if self.how.max_prompt_tokens is not None:
            prompts = short_prompts(prompts, tokenizer, self.how.max_prompt_tokens)
        if self.in_template and tokenizer.chat_template:
            return prompts, templated(tokenizer, prompts, self.how.system)
        return prompts, [marked(prompt) for prompt in prompts]


def rollouts_of(how: RepliesSettings, scoring: ScoringSettings, prompts: Sequence[str]) -> Rollouts:
    """Return what settings ask of models.

    Args:
        how: the first `how.limit` prompts are taken.
        scoring: the replies go into a folder beside the file of scores unless `how.out` names one.
        prompts: instructions, or dialogues that end in `###Assistant:`.
    """
    out = replies_folder(how, scoring)
    return Rollouts(tuple(prompts[: how.limit]), how, scoring.dtype, out, scoring.rerun)


def replies_folder(how: RepliesSettings, scoring: ScoringSettings) -> Path:
    """Return `how.out`, by default a folder beside the file of scores."""
    return how.out or scoring.scores.parent / "replies"


def read_rollouts(folder: Path) -> list[Sample]:
    """Return the replies that `Rollouts.draw` has drawn, with their lengths in tokens."""
    broadcast(None)
    return read_samples(folder / _FILE)


def _behind(prompt: str, reply: str) -> str:
    """Return a reply with the space that stands behind our mark, which no chat template has the model say."""
    return f" {reply}" if is_dialogue(prompt) and reply and not reply[0].isspace() else reply
