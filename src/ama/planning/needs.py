"""How much memory and disk a stage of an experiment needs, estimated from the sizes of model and batch.

All sizes are bytes and rough: they tell before a run whether it can fit, and were compared with no GPU's
counter. P is the number of parameters, s tokens of a sequence, b sequences at a time, h the width, V the
vocabulary, L layers, w bytes of a number.

- Training holds weights, gradients and Adam's two moments: 4 + 4 + 8 bytes a parameter in float32.
  DeepSpeed with bfloat16 holds 2 + 2 + 12, its float32 copy with the moments. ZeRO-2 shares gradients and
  moments among the processes, ZeRO-3 the weights as well (Rajbhandari et al. 2020).
- Activations of a layer: 17 s b h w, where attention keeps no s x s matrix (Korthikanti et al. 2022,
  without that term). With recomputation each layer keeps its input, s b h w, and one layer at a time all of
  it. Logits: s b V (w + 8), with their float32 copy and its gradient.
- Sampling and scoring hold the weights, keys and values of all layers, and one position's or all positions'
  logits.
"""

from dataclasses import dataclass
from typing import NamedTuple

from ama.settings.planning import ModelSize
from ama.settings.sampling import SeedlessSampling

# The CUDA context, the libraries' workspaces and DeepSpeed's buckets.
OVERHEAD = 2e9
_FULL, _HALF = 4, 2


# Tokens of a prompt where the settings have no limit.
_PROMPT = 256


class Estimate(NamedTuple):
    """The needs of a stage, in bytes.

    Attributes:
        memory: on each GPU, or of each process on a CPU.
        during: on disk while it runs, beside what stays.
        kept: on disk when it has ended.
    """

    memory: float
    during: float
    kept: float


@dataclass(frozen=True)
class Training:
    """What a training puts on each process.

    Attributes:
        processes: that share the work.
        zero_stage: of DeepSpeed; None without it.
        half: whether it computes in bfloat16.
        sequences: at a time on each process.
        tokens: of a sequence.
        recompute: whether activations are recomputed (gradient checkpointing).
        lora_rank: rank of adapters, None where all weights are trained.
    """

    processes: int
    zero_stage: int | None
    half: bool
    sequences: int
    tokens: int
    recompute: bool = False
    lora_rank: int | None = None


def trained_model(model: ModelSize, how: Training) -> float:
    """Bytes on each process of a model that is trained: weights, gradients, optimizer."""
    if how.lora_rank is not None:
        # Two factors for each of a layer's seven linear maps, which read and write about 20 h numbers in all.
        adapters = how.lora_rank * model.layers * 20 * model.hidden
        return frozen_model(model, how) + 16 * adapters
    weights, gradients, moments = (_HALF, _HALF, 12) if _deepspeed_half(how) else (_FULL, _FULL, 8)
    shared_late = how.processes if (how.zero_stage or 0) >= 2 else 1
    shared_all = how.processes if how.zero_stage == 3 else 1
    return model.params * (weights / shared_all + (gradients + moments) / shared_late)


def frozen_model(model: ModelSize, how: Training, width: float | None = None) -> float:
    """Bytes on each process of a model that a training only reads, by default in the type it trains in."""
    held = width or (_HALF if _deepspeed_half(how) else _FULL)
    return model.params * held / (how.processes if how.zero_stage == 3 else 1)


def activations(model: ModelSize, how: Training, *, language: bool = True) -> float:
    """Bytes of activations on each process; with `language` also those of the logits of every token."""
    width = _HALF if how.half else _FULL
    tokens = how.sequences * how.tokens
    layer = 17 * tokens * model.hidden * width
    kept = layer + model.layers * tokens * model.hidden * width if how.recompute else model.layers * layer
    return kept + (tokens * model.vocab * (width + 8) if language else 0.0)


def checkpoint(model: ModelSize, how: Training) -> float:
    """Bytes on disk of a checkpoint to resume from: weights and optimizer, over all processes."""
    if how.lora_rank is not None:
        return 12.0 * how.lora_rank * model.layers * 20 * model.hidden
    return model.params * (14 if _deepspeed_half(how) else 12)


def sampling(model: ModelSize, sequences: int, tokens: int) -> float:
    """Bytes on each process of a model that replies to prompts, `tokens` long with the reply."""
    cache = sequences * tokens * 2 * model.layers * model.keys * model.width
    return model.weights + cache + sequences * model.vocab * 8


def replies(model: ModelSize, settings: SeedlessSampling, longest_prompt: int | None) -> float:
    """Bytes on each process of a model that replies as its settings say."""
    return sampling(model, settings.sample_batch, prompt_tokens(longest_prompt) + settings.max_new_tokens)


def prompt_tokens(longest: int | None) -> int:
    """Return how many tokens of a prompt to reckon with."""
    return longest or _PROMPT


def scoring(model: ModelSize, sequences: int, tokens: int) -> float:
    """Bytes on each process of a model that takes the likelihood of whole texts."""
    layer = 17 * sequences * tokens * model.hidden * model.width
    return model.weights + layer + sequences * tokens * model.vocab * (model.width + 4)


def _deepspeed_half(how: Training) -> bool:
    """Whether weights are bfloat16 with a float32 copy; elsewhere only what is computed is bfloat16."""
    return how.half and how.zero_stage is not None
