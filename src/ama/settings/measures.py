"""What can be measured: a group of settings for each kind of measure, and the table of the kinds.

A new kind is a group and a line of the table here, and its `Measure` in a module of
`ama.evaluation.measures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from ama.errors import UserError
from ama.settings.base import Settings, option
from ama.settings.sampling import PromptSettings, SamplingSettings

BatchSize = int | Literal["auto"]
"""How many items go through a model at a time; auto: the largest number that fits."""

COMMON_SENSE = ("arc_easy", "arc_challenge", "race", "boolq", "piqa")
_BATCH = "items at a time, or auto for the largest that fits"
_EVAL_DATA = "folder that `bash data/download.sh eval` builds; without it the sets are fetched"
_LIMIT = "measure on the first N items only"
_TEMPLATE = "put prompts into the tokenizer's chat template"


@dataclass(frozen=True, kw_only=True)
class HarnessSettings(Settings):
    """Which tasks of lm-eval are run, and how."""

    tasks: tuple[str, ...] = option(COMMON_SENSE, "names of lm-eval's tasks", metavar="TASK")
    num_fewshot: int | None = option(
        None, "examples in the prompt; by default the task's own", metavar="N", low=0
    )
    apply_chat_template: bool = option(False, _TEMPLATE)
    system_instruction: str | None = option(None, "put before every prompt", metavar="TEXT")
    include_path: Path | None = option(
        None,
        "YAML tasks of your own, such as stock ones with another prompt (`include:` and `doc_to_text:`)",
        metavar="DIR",
    )
    engine: Literal["transformers", "vllm"] = option("transformers", "vllm if it is installed")
    bootstrap: int | None = option(
        None,
        "lm-eval's bootstrap_iters; with 0 standard errors come from the items, which is faster",
        metavar="N",
        low=0,
    )
    eval_data: Path | None = option(None, _EVAL_DATA, metavar="DIR")
    limit: int | None = option(None, _LIMIT, metavar="N", low=1)
    # None leaves lm-eval's own seeds, so that its command line gives the same.
    seed: int | None = option(None, "of what is drawn; by default lm-eval's own seeds")
    batch_size: BatchSize = option(16, _BATCH, metavar="N", low=1)


@dataclass(frozen=True, kw_only=True)
class OpenCompassSettings(Settings):
    """How OpenCompass asks DROP's questions."""

    max_seq_len: int = option(2048, "tokens of a prompt, of which the end is taken", metavar="N", low=1)
    max_out_len: int = option(100, "tokens of a reply", metavar="N", low=1)
    apply_chat_template: bool = option(False, _TEMPLATE)
    eval_data: Path | None = option(None, _EVAL_DATA, metavar="DIR")
    limit: int | None = option(None, _LIMIT, metavar="N", low=1)
    batch_size: BatchSize = option(8, "items at a time", metavar="N", low=1)

    @property
    def folder(self) -> Path:
        """The folder of evaluation sets, without which OpenCompass has no DROP."""
        if self.eval_data is None:
            raise UserError(
                "--eval_data is missing: OpenCompass reads DROP from the folder of evaluation sets"
            )
        return self.eval_data

    def check(self) -> None:
        """Check what OpenCompass does not know."""
        if self.batch_size == "auto":
            raise UserError("--batch_size auto: OpenCompass takes a number only")


@dataclass(frozen=True, kw_only=True)
class RepliesSettings(SamplingSettings):
    """How replies to dialogues are drawn, by the paper's values."""

    out: Path | None = option(None, "for the replies; by default `replies` beside the scores", metavar="DIR")
    max_prompt_tokens: int | None = option(
        PromptSettings.max_prompt_tokens, "leave longer prompts out", metavar="N", low=1
    )
    max_new_tokens: int = option(196, "of a reply", low=1)
    chat_template: Literal["auto", "never"] = option(
        "never", "auto: give models the prompts by their tokenizer's chat template, where it has one"
    )
    system: str = option("", "system prompt of the chat template", metavar="TEXT")
    limit: int | None = option(None, _LIMIT, metavar="N", low=1)


@dataclass(frozen=True, kw_only=True)
class RewardSettings(RepliesSettings):
    """How replies to prompts are drawn, and which reward model judges them."""

    reward_model: str = option(help="folder or hub id of the judge", metavar="MODEL")
    prompts: Path = option(help="LMFlow JSON: file or folder", metavar="PATH")
    task: str | None = option(None, "in the file of scores; by default the name of --prompts", metavar="NAME")
    batch_size: BatchSize = option(64, _BATCH, metavar="N", low=1)


@dataclass(frozen=True, kw_only=True)
class PairrmSettings(RepliesSettings):
    """How replies are drawn, and what PairRM compares them with."""

    references: Path = option(help="what to compare with; as --replies", metavar="PATH")
    reference_name: str | None = option(
        None, "whose outputs to take where --references has several", metavar="NAME"
    )
    prompts: Path | None = option(None, "prompts, by default those of --references", metavar="PATH")
    task: str | None = option(
        None, "in the file of scores; by default the name of --references", metavar="NAME"
    )
    pairrm: str = option("llm-blender/PairRM", "folder or hub id of PairRM or PairRM-hf", metavar="MODEL")
    pairrm_base: str | None = option(
        None,
        "folder or hub id of the model that PairRM was trained from, if its config names none at hand",
        metavar="MODEL",
    )
    # A reply to each prompt is compared with the one reference.
    samples: int = option(1, "replies to each prompt", low=1, high=1, hidden=True)
    temperature: float = option(0.7, "of the sampling; 0 takes the likeliest token", low=0)
    max_new_tokens: int = option(300, "of a reply", low=1)
    max_prompt_tokens: int | None = option(None, "leave longer prompts out", metavar="N", low=1)
    chat_template: Literal["auto", "never"] = option(
        "auto", "auto: give models the prompts by their tokenizer's chat template, where it has one"
    )
    system: str = option(
        "You are a helpful, honest and respectful chatbot.",
        "system prompt of the chat template",
        metavar="TEXT",
    )
    batch_size: BatchSize = option(4, _BATCH, metavar="N", low=1)


@dataclass(frozen=True, kw_only=True)
class ReplyFileSettings(Settings):
    """Replies of files in place of a model's."""

    replies: tuple[Path, ...] = option(
        (),
        "replies to compare in place of a model's: outputs as AlpacaEval writes them, or LMFlow JSON",
        metavar="FILE",
    )
    replies_name: str | None = option(
        None, "whose outputs to take where --replies has those of several", metavar="NAME"
    )


@dataclass(frozen=True, kw_only=True)
class LossSettings(Settings):
    """Which texts the loss is measured on."""

    data: tuple[str, ...] = option(help=".txt, LMFlow .json or .jsonl", metavar="NAME=FILE")
    block_size: int = option(512, "tokens in a block", low=2)
    max_blocks: int | None = option(None, "measure on the first blocks only", low=1)
    batch: int = option(8, "blocks at a time", low=1)

    @property
    def texts(self) -> dict[str, Path]:
        """The files by name."""
        return {name: Path(path) for name, _, path in (word.partition("=") for word in self.data)}

    def check(self) -> None:
        """Check that each text has a name of its own."""
        for word in self.data:
            name, _, path = word.partition("=")
            if not (name and path):
                raise UserError(f"--data '{word}' is not NAME=FILE")
        if len(self.texts) < len(self.data):
            names = " ".join(word.partition("=")[0] for word in self.data)
            raise UserError(f"--data: each text needs a name of its own, not {names}")


@dataclass(frozen=True, kw_only=True)
class DivergenceSettings(LossSettings):
    """Which texts a model's next-token distributions are compared on, and with whose."""

    reference: Path = option(help="folder of the model to compare with, such as before", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class GoldSettings(RepliesSettings):
    """How replies to a sandbox's prompts are drawn, for its gold score."""

    world: Path = option(help="--out of ama.build_sandbox", metavar="DIR")
    prompts: Path | None = option(None, "by default the world's held-out prompts", metavar="PATH")


class Kind(NamedTuple):
    """A kind of measure.

    Attributes:
        group: its settings as a class, or as an instance whose values are the defaults in a sweep.
        measures: the function that makes its measures of the group and `ScoringSettings`, as module:name,
            since its module loads what measures.
        help: for --help, a phrase.
    """

    group: type[Settings] | Settings
    measures: str
    help: str

    @property
    def settings(self) -> type[Settings]:
        """The class of its settings."""
        return self.group if isinstance(self.group, type) else type(self.group)


_HOME = "ama.evaluation.measures"
# Lm-eval's bootstrap of some metrics takes longer than a small model.
_SWEPT_HARNESS = HarnessSettings(bootstrap=0)
MEASURES: Mapping[str, Kind] = {
    "harness": Kind(_SWEPT_HARNESS, f"{_HOME}.harness.measure:harness_measures", "tasks of lm-eval"),
    "opencompass": Kind(OpenCompassSettings, f"{_HOME}.opencompass.measure:drop_measures", "DROP"),
    "reward": Kind(RewardSettings, f"{_HOME}.reward.measure:reward_measures", "a reward model"),
    "pairrm": Kind(PairrmSettings, f"{_HOME}.pairrm.measure:pairrm_measures", "PairRM's win rate"),
    "loss": Kind(LossSettings, f"{_HOME}.loss:loss_measures", "loss on texts, shown beside the front"),
    "divergence": Kind(
        DivergenceSettings, f"{_HOME}.divergence:divergence_measures", "KL from a reference, shown beside"
    ),
    "gold": Kind(GoldSettings, f"{_HOME}.gold:gold_measures", "the sandbox's true score, shown beside"),
}


def kind_of(settings: Settings) -> Kind:
    """Return the kind of measure whose settings these are.

    Raises:
        TypeError: they are those of no measure.
    """
    for kind in MEASURES.values():
        if type(settings) is kind.settings:
            return kind
    raise TypeError(f"{type(settings).__name__} are the settings of no measure")
