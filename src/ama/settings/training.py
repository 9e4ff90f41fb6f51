"""How models are trained: what every trainer has, adapters, baselines, and what is a command's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from ama.errors import UserError
from ama.settings.base import Settings, option
from ama.settings.samples import CollectionSettings, LossOn
from ama.settings.sampling import RAFT_SAMPLING, SamplingSettings, SeedlessSampling


@dataclass(frozen=True, kw_only=True)
class TrainerSettings(Settings):
    """What every trainer has, that of averaging ratios too."""

    # Rises over the warmup, falls along a cosine to 0.
    lr: float = option(help="peak learning rate", above=0)
    epochs: float = option(1.0, "passes over the data", above=0, aliases=("num_train_epochs",))
    max_steps: int | None = option(None, "optimizer steps, in place of --epochs", low=1)
    warmup: float = option(0.03, "share of the steps", low=0, below=1)
    bf16: bool = option(False, "compute in bfloat16; the weights stay float32")
    gradient_checkpointing: bool = option(False, "recompute activations, to save memory")
    deepspeed: Path | None = option(None, "DeepSpeed configuration", metavar="FILE")
    local_rank: int = option(-1, "set by the deepspeed launcher", hidden=True)
    save_steps: int = option(500, "steps between checkpoints to resume from", low=1)
    seed: int = option(
        0, "of the order of the data, fresh weights, sampling and dropout", low=0, high=2**32 - 1
    )


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(TrainerSettings):
    """The training."""

    batch: int = option(help="examples in a step, over all processes", low=1)
    micro_batch: int | None = option(
        4, "examples at a time on each process; a step is made up of several", low=1
    )
    weight_decay: float = option(0.0, "AdamW's", low=0)
    beta2: float = option(0.999, "AdamW's, of the mean of squared gradients", low=0, below=1)
    dtype: Literal["auto", "float32", "bfloat16"] = option("auto", "to save in; auto: --model's")


# The paper's values. A micro_batch of None takes a process's share of the batch at once.
SFT = TrainingSettings(lr=1e-5, batch=12)
REWARD = TrainingSettings(lr=5e-6, batch=16)
RAFT = TrainingSettings(lr=1e-5, batch=32, epochs=2.0)
DPO = TrainingSettings(lr=1e-6, batch=32)
PPO = TrainingSettings(lr=1e-6, batch=32, micro_batch=None, epochs=2.0, save_steps=10)
FINETUNE = TrainingSettings(lr=2e-5, batch=8, micro_batch=None)


@dataclass(frozen=True, kw_only=True)
class LoraSettings(Settings):
    """Low-rank adapters in place of whole weights; they are merged at the end (paper, section 4)."""

    lora_r: int | None = option(None, "train adapters of this rank", low=1, metavar="RANK")
    lora_alpha: float = option(32.0, "the adapters are scaled by alpha / rank", above=0)
    lora_dropout: float = option(0.05, "before the adapters", low=0, below=1)
    lora_modules: str = option("all", "all linear maps, mlp, attention, or names: q_proj,v_proj")


@dataclass(frozen=True, kw_only=True)
class BaselineSettings(Settings):
    """Baselines: what the paper compares averaging with (section 4); 0 is off."""

    l1: float = option(0.0, "weight of the sum of |weight - before's|", low=0)
    l2: float = option(0.0, "weight of the sum of (weight - before's)^2", low=0)
    distill: float = option(
        0.0, "weight of ||pi - pi0||^2, the squared distance from before's next-token distribution", low=0
    )
    replay: tuple[Path, ...] = option((), "general text to replay", metavar="FILE")
    replay_weight: float = option(0.0, "weight of the cross-entropy on it", low=0)
    replay_block: int = option(128, "tokens of a block of it", low=1)
    ema: float = option(
        0.0,
        "result is the moving average of the weights, of which each step keeps this share",
        low=0,
        below=1,
        metavar="DECAY",
    )

    def check(self) -> None:
        """Check that the replay has both a text and a weight."""
        if bool(self.replay) != bool(self.replay_weight):
            raise UserError("--replay needs --replay_weight above 0, and the other way round: give both")

    @property
    def needs_before(self) -> bool:
        """Whether a term needs the model before RLHF beside the one that is trained."""
        return bool(self.l1 or self.l2 or self.distill)


@dataclass(frozen=True, kw_only=True)
class TrainingFiles(Settings):
    """Model, data and result."""

    model: Path = option(help="model to start from", metavar="DIR")
    data: Path = option(help="LMFlow JSON: file or folder", metavar="PATH", aliases=("dataset_path",))
    out: Path = option(help="folder for the trained model", metavar="DIR", aliases=("output_dir",))
    overwrite: bool = option(False, "replace --out, once the new model is complete")


@dataclass(frozen=True, kw_only=True)
class SftSettings(Settings):
    """How dialogues become rows."""

    block_size: int = option(2048, "tokens in a row, at most", low=1)
    pack: bool = option(False, "join samples and cut blocks, as LMFlow does")
    loss_on: LossOn = option(LossOn.TEXT, "tokens that count")


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(Settings):
    """Model, texts and result."""

    model: Path = option(help="model folder, Hugging Face format", metavar="DIR")
    from_scratch: bool = option(False, "draw new weights; --model needs config.json and tokenizer only")
    data: tuple[Path, ...] = option(help=".txt, LMFlow .json or .jsonl", metavar="FILE")
    out: Path = option(help="folder for the trained model", metavar="DIR", aliases=("output_dir",))
    overwrite: bool = option(False, "replace --out, once the new model is complete")
    block_size: int = option(512, "tokens in a block", low=1)


@dataclass(frozen=True, kw_only=True)
class RewardModelSettings(Settings):
    """What the reward model is measured on."""

    eval_data: Path | None = option(None, "pairs to measure on, in place of --held_out", metavar="PATH")
    held_out: float = option(0.05, "share of the prompts to measure on, never trained on", above=0, below=1)
    max_length: int = option(512, "leave out pairs with more tokens", low=1)


@dataclass(frozen=True, kw_only=True)
class DpoSettings(Settings):
    """Direct preference optimisation."""

    beta: float = option(0.1, "the larger, the nearer the model stays to --model", above=0)
    max_length: int = option(512, "leave out pairs with more tokens", low=1)


@dataclass(frozen=True, kw_only=True)
class PolicyFiles(Settings):
    """Models and result."""

    model: Path = option(help="model before RLHF", metavar="DIR")
    reward_model: Path = option(help="judges the replies", metavar="DIR")
    out: Path = option(help="folder for the model after RLHF", metavar="DIR", aliases=("output_dir",))
    overwrite: bool = option(False, "replace --out, once the new model is complete")


@dataclass(frozen=True, kw_only=True)
class PpoSettings(Settings):
    """Proximal policy optimisation, in rounds of replies; --batch is the minibatch."""

    rollouts: int = option(512, "replies in a round, over all processes", low=1)
    rounds: int = option(100, "of sampling and training", low=1)
    kl_coef: float = option(0.05, "weight of the KL divergence from --model", low=0)
    temperature: float = option(1.0, "of the sampling", above=0)
    max_new_tokens: int = option(SamplingSettings.max_new_tokens, "of a reply", low=1)
    sample_batch: int = option(SamplingSettings.sample_batch, "replies at a time on each process", low=1)
    # The paper subtracts 5.5625, with its reward model.
    reward_baseline: float = option(0.0, "subtracted from each reward")
    missing_eos_penalty: float | None = option(None, "subtracted where a reply does not end")


@dataclass(frozen=True, kw_only=True)
class RaftFiles(Settings):
    """Models and the folder of the run."""

    model: Path = option(help="model before RLHF", metavar="DIR")
    reward_model: Path = option(help="judges the replies", metavar="DIR")
    out: Path = option(help="folder of the run", metavar="DIR", aliases=("output_dir",))


@dataclass(frozen=True, kw_only=True)
class RaftSettings(Settings):
    """Iterations of sampling, selecting and fine-tuning."""

    iterations: int = option(10, "how many to run in all", low=1)
    prompts_per_iteration: int = option(2048, "all if there are fewer", low=1)
    block_size: int = option(512, "tokens of a sample, at most", low=1)
    loss_on: LossOn = option(LossOn.RESPONSE, "tokens that count")


class Keep(StrEnum):
    """Which of the samples that pass the filters are kept."""

    BEST = "best"
    TOP_SHARE = "top_share"


@dataclass(frozen=True, kw_only=True)
class SelectionSettings(Settings):
    """Which samples are trained on."""

    # The best of each prompt is the paper's (RSF), the best of all LMFlow's RAFT.
    keep: Keep = option(Keep.BEST, "best of each prompt, or of all samples")
    top_share: float = option(0.125, "share of all samples that the latter keeps", above=0, high=1)
    min_characters: int = option(4, "drop shorter replies, white space around them apart")
    forbidden: str = option("#", "drop replies with this text; empty for none", metavar="TEXT")
    max_repetition: float = option(0.5, "drop replies of which more repeats itself", low=0, high=1)


_COLLECTION = CollectionSettings()


@dataclass(frozen=True, kw_only=True)
class RaftRecipe:
    """What decides a RAFT run, apart from models and prompts.

    Attributes:
        raft: iterations, and the rows of the fine-tuning.
        sampling: of the replies; its samples are those to each prompt.
        selection: which samples are trained on.
        collection: which samples of the last model are drawn for the training of averaging ratios.
        training: of the fine-tuning; iteration i is seeded by seed + i.
        lora: adapters to train in place of the weights; they are merged in each iteration.
        baselines: terms of the loss that hold each iteration's model near the first one. With a moving
            average of the weights, an iteration samples from the average of the one before, and its weights
            and its average go on from there: one average over all iterations, to which the weights return
            after each.
    """

    raft: RaftSettings = RaftSettings()
    sampling: SeedlessSampling = RAFT_SAMPLING
    selection: SelectionSettings = SelectionSettings()
    collection: CollectionSettings = _COLLECTION
    training: TrainingSettings = RAFT
    lora: LoraSettings = LoraSettings()
    baselines: BaselineSettings = BaselineSettings()

    def groups(self) -> list[Settings]:
        """Return all groups."""
        return [
            self.raft,
            self.sampling,
            self.selection,
            self.collection,
            self.training,
            self.lora,
            self.baselines,
        ]
