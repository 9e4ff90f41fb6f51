"""The replies of a model to prompts, drawn once and kept, whatever judges them afterwards."""

from __future__ import annotations

import gc
import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.checkpoint.whole_file import write_whole
from ama.data.replies import check_not_blank
from ama.data.samples import Sample, read_samples
from ama.data.writing import write_samples
from ama.errors import UserError
from ama.evaluation.kept import fingerprint_of, keyed_name
from ama.evaluation.subject import Subject
from ama.processes import broadcast, is_first, wait
from ama.sampling.chat import is_dialogue, marked, templated
from ama.sampling.journal import Journal
from ama.sampling.options import sampling_settings
from ama.sampling.prompts import short_prompts
from ama.settings.sampling import SamplingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_FILE, _NOTE = "replies.json", "settings.json"


@dataclass(frozen=True)
class Asked:
    """What models are asked, and how their replies are drawn.

    Attributes:
        prompts: instructions, or dialogues that end in `###Assistant:`.
        sampling: of the replies.
        dtype: of the weights, `auto` for the checkpoint's own.
        max_prompt_tokens: longer prompts are left out; None for no limit.
        chat: whether prompts take the form of the tokenizer's chat template, where it has one; otherwise
            they are dialogues in our marks.
        system: the system prompt of a chat template; empty for none.
    """

    prompts: tuple[str, ...]
    sampling: SamplingSettings
    dtype: str = "auto"
    max_prompt_tokens: int | None = None
    chat: bool = False
    system: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the replies beside the model and the seed, as JSON can hold it."""
        sampling = asdict(self.sampling)
        del sampling["seed"]
        sampling["batch"] = sampling.pop("sample_batch")
        chat = {"chat_template": self.chat, "system": self.system if self.chat else ""}
        return {
            "prompts": fingerprint_of(self.prompts),
            **sampling,
            "dtype": self.dtype,
            "max_prompt_tokens": self.max_prompt_tokens,
            **chat,
        }


def asked_of(options: Namespace, prompts: Sequence[str]) -> Asked:
    """Return what the options of sampling, prompts and measuring ask models.

    Raises:
        UserError: a number outside its range.
    """
    return Asked(
        prompts=tuple(prompts[: options.limit]),
        sampling=sampling_settings(options),
        dtype=options.dtype,
        max_prompt_tokens=options.max_prompt_tokens,
        chat=options.chat_template == "auto",
        system=options.system,
    )


def replies_folder(out: Path, subject: Subject, asked: Asked) -> Path:
    """Return the folder of a model's replies, named by the model and by all that decides them."""
    decides = {"weights": subject.fingerprint, "seed": asked.sampling.seed, **asked.settings}
    return out / keyed_name(subject.label, decides)


def draw_all(subjects: Sequence[Subject], asked: Asked, out: Path, *, rerun: bool = False) -> list[Path]:
    """Draw the replies of each model into a folder of its own; see `draw_replies`.

    Returns:
        The folders, for `read_drawn`.

    Raises:
        UserError: as `draw_replies`; before anything is drawn if vLLM is asked for an average.
    """
    for subject in subjects:
        if asked.sampling.engine == "vllm" and subject.folder is None:
            raise UserError(f"--engine vllm reads whole checkpoints, not {subject.label}: merge it first")
    return [draw_replies(subject, asked, out, rerun=rerun) for subject in subjects]


def draw_replies(subject: Subject, asked: Asked, out: Path, *, rerun: bool = False) -> Path:
    """Draw a model's replies into a folder of their own; what is there is not drawn again.

    A run that was cut short goes on where it stopped. The processes of a run share the work.

    Args:
        subject: the model; it is loaded if there is something to draw, and freed.
        asked: prompts and sampling.
        out: has a folder for each model.
        rerun: draw anew where all replies are there.

    Returns:
        The folder, for `read_drawn`.

    Raises:
        UserError: the model can't be loaded, a prompt does not fit, or all replies are blank.
    """
    folder = replies_folder(out, subject, asked)
    if broadcast((folder / _FILE).is_file() and not rerun):
        return folder
    if is_first():
        _note(folder, subject, asked)
    wait()
    journal: Journal[str] = Journal(folder, "replies")
    samples = _drawn(subject, asked, journal)
    gc.collect()
    said = [sample.reply for sample in samples]
    if is_first() and any(map(str.strip, said)):
        write_samples(folder / _FILE, samples, joined=False)
    if is_first():
        journal.remove()
    check_not_blank(said, f"the replies of {subject.label}")
    return folder


def read_drawn(folder: Path) -> list[Sample]:
    """Return the replies that `draw_replies` has drawn, with their lengths in tokens."""
    wait()
    return read_samples(folder / _FILE)


def _note(folder: Path, subject: Subject, asked: Asked) -> None:
    decides = {"model": subject.model, "schedule": subject.schedule, "weights": subject.fingerprint}
    settings = {**decides, "seed": asked.sampling.seed, **asked.settings}
    write_whole(folder / _NOTE, [json.dumps(settings, indent=1, ensure_ascii=False)])


def _drawn(subject: Subject, asked: Asked, journal: Journal[str]) -> list[Sample]:
    from ama.sampling.rollout import replies_by
    from ama.sampling.vllm_engine import sample_with_vllm

    sampling = asked.sampling
    if sampling.engine == "vllm" and subject.folder is not None:
        from ama.models import load_tokenizer

        tokenizer = load_tokenizer(subject.folder)
        prompts, texts = _formed(asked, tokenizer)
        found = sample_with_vllm(
            subject.folder, texts, sampling, asked.dtype, journal.writer(), journal.read()
        )
    else:
        model: PreTrainedModel
        model, tokenizer = subject.load(asked.dtype)
        prompts, texts = _formed(asked, tokenizer)
        found = replies_by(model, tokenizer, texts, sampling, journal)
    counts = [len(ids) for ids in tokenizer(found, add_special_tokens=False, verbose=False)["input_ids"]]
    told = [prompt for prompt in prompts for _ in range(sampling.samples)]
    if asked.chat and tokenizer.chat_template:
        found = [_behind(prompt, reply) for prompt, reply in zip(told, found, strict=True)]
    return [
        Sample(prompt, reply, tokens=count) for prompt, reply, count in zip(told, found, counts, strict=True)
    ]


def _behind(prompt: str, reply: str) -> str:
    """Return a reply with the space that stands behind our mark, which no chat template has the model say."""
    return f" {reply}" if is_dialogue(prompt) and reply and not reply[0].isspace() else reply


def _formed(asked: Asked, tokenizer: PreTrainedTokenizerBase) -> tuple[list[str], list[str]]:
    """Return the prompts that are short enough, and the texts that the model is given for them."""
    prompts = list(asked.prompts)
    if asked.max_prompt_tokens is not None:
        prompts = short_prompts(prompts, tokenizer, asked.max_prompt_tokens)
    if asked.chat and tokenizer.chat_template:
        return prompts, templated(tokenizer, prompts, asked.system)
    return prompts, [marked(prompt) for prompt in prompts]
