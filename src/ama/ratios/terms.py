"""What learned ratios minimise, term by term.

    loss of the samples + retain_weight * loss of the retain set + reg_alpha * penalty(ratios)
    + smooth_weight * sum of the squared steps between neighbouring blocks

A term has two sides: `in_step` for a micro-batch of a training, with a gradient, and `of_model` for a whole
averaged model in a search. A new one is a class and a line of `make_objective` here, and its settings in
`ama.settings.ratios`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.data.labelled_blocks import IGNORED
from ama.data.samples import Sample
from ama.errors import UserError
from ama.processes import rank_and_size, sum_over_processes
from ama.ratios.divergence import AFTER, BEFORE, Divergence, top_targets
from ama.ratios.learned_ratios import LearnedRatios
from ama.ratios.objective import Objective, Step, Term
from ama.ratios.parameter_blocks import ParameterBlocks
from ama.ratios.penalty import penalty, penalty_weights
from ama.ratios.retain import retain_blocks
from ama.ratios.reward_term import Reward, draw_prompts
from ama.settings.ratios import ObjectiveSettings, Penalty
from ama.settings.sampling import SamplingSettings


class Likelihood(Term):
    """Mean cross-entropy of the samples' tokens that count, in nats (paper, Eq. 9)."""

    reads = "input_ids"

    def __init__(self, data: Mapping[str, Tensor], rows: int) -> None:
        """Take the samples.

        Args:
            data: of `label_blocks`.
            rows: blocks at a time where a whole model is measured.
        """
        self.data, self._rows = data, rows

    def in_step(self, step: Step) -> Tensor:
        """Return the summed cross-entropy, divided by the labels of the whole step."""
        labels = step.data["labels"]
        count = labels[:, 1:].ne(IGNORED).sum() if step.labels is None else step.labels
        return summed_loss(step.logits[self.reads], labels) / count * step.processes

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        """Return the mean over all samples."""
        del ratios
        return mean_loss(model, self.data["input_ids"], self.data["labels"], self._rows)


class Retain(Term):
    """Mean cross-entropy of the retain set, in nats, times a weight."""

    reads = "retain_ids"

    def __init__(self, weight: float, blocks: Tensor, rows: int) -> None:
        """Take the retain set.

        Args:
            weight: above 0.
            blocks: token ids of shape (blocks, block_size), as many as of the samples.
            rows: blocks at a time where a whole model is measured.
        """
        self.data = {self.reads: blocks}
        self._weight, self._rows = weight, rows

    def in_step(self, step: Step) -> Tensor:
        """Return the weighted mean of the micro-batch: every row has as many tokens that count."""
        ids = step.data[self.reads]
        mean = summed_loss(step.logits[self.reads], ids) / (ids.numel() - len(ids))
        return step.price * self._weight * mean / step.micro_batches

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        """Return the weighted mean over the whole set."""
        del ratios
        blocks = self.data[self.reads]
        return self._weight * mean_loss(model, blocks, blocks, self._rows)


class RatioPenalty(Term):
    """The penalty on the ratios' distances from their mean, times a weight."""

    def __init__(self, weight: float, kind: Penalty, mean: float, by_block: Tensor) -> None:
        """Take weight, kind, the ratios' mean, and the blocks' weights of `penalty_weights`, shape (n,)."""
        super().__init__()
        self._weight, self._kind, self._mean, self._by_block = weight, kind, mean, by_block

    def in_step(self, step: Step) -> Tensor:
        """Return the weighted penalty, divided among the micro-batches."""
        return self._weight * self._value(_fixed_mean(step)) / step.micro_batches

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        """Return the weighted penalty."""
        del model
        return self._weight * float(self._value(ratios))

    def _value(self, ratios: Tensor) -> Tensor:
        return penalty(self._kind, ratios, self._mean, self._by_block.to(ratios))


class Smoothness(Term):
    """The squared steps of the ratio from each block to the next, times a weight; for many small blocks."""

    def __init__(self, weight: float) -> None:
        """Take the weight."""
        super().__init__()
        self._weight = weight

    def in_step(self, step: Step) -> Tensor:
        """Return the weighted sum, divided among the micro-batches."""
        total: Tensor = _fixed_mean(step).diff().square().sum()
        return self._weight * total / step.micro_batches

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        """Return the weighted sum."""
        del model
        return self._weight * float(ratios.diff().square().sum())


@dataclass(frozen=True)
class Sources:
    """What the terms are made of.

    Attributes:
        samples: of the model after RLHF.
        data: the samples as labelled blocks.
        before: the model before RLHF.
        after: the model after RLHF.
        tokenizer: of both models.
        blocks: which parameters share a ratio; None for free ratios, which have no penalty.
        num_layers: of the models.
        mean_ratio: the mean of the ratios.
        rows: blocks at a time where a whole model is measured.
        seed: of what is drawn.
        device: where averaged models are.
    """

    samples: Sequence[Sample]
    data: Mapping[str, Tensor]
    before: PreTrainedModel
    after: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    blocks: ParameterBlocks | None
    num_layers: int
    mean_ratio: float
    rows: int
    seed: int
    device: torch.device


def make_objective(settings: ObjectiveSettings, sources: Sources) -> Objective:
    """Return the objective that the settings ask for; terms of weight 0 are left out.

    Raises:
        UserError: retain texts or a reward model that are not there, or samples without prompts.
    """
    terms: list[Term] = []
    if settings.reward_model:
        sampling = SamplingSettings(max_new_tokens=settings.max_new_tokens, seed=sources.seed)
        prompts = draw_prompts(sources.samples, settings.reward_prompts, sources.seed)
        terms.append(Reward(settings.reward_model, sources.tokenizer, prompts, sampling, sources.device))
    else:
        terms += _both_sides(settings, sources)
    if settings.reg_alpha and sources.blocks is not None:
        by_block = penalty_weights(settings.sum_reg_type, sources.blocks.linears, sources.num_layers)
        terms.append(RatioPenalty(settings.reg_alpha, settings.sum_reg_type, sources.mean_ratio, by_block))
    if settings.smooth_weight:
        terms.append(Smoothness(settings.smooth_weight))
    return Objective(*terms)


def _both_sides(settings: ObjectiveSettings, sources: Sources) -> list[Term]:
    """Return after's side, and before's where it has a weight or prices."""
    data, retain = sources.data, None
    if any(settings.price):
        # Both sides have as many rows; the shorter one begins anew.
        count = max(len(data["input_ids"]), settings.retain_samples)
        again = torch.arange(count) % len(data["input_ids"])
        data = {name: values[again] for name, values in data.items()}
    ids, labels = data["input_ids"], data["labels"]
    if settings.retain_weight or any(settings.price):
        retain = retain_blocks(settings, sources.before, sources.tokenizer, len(ids), sources.seed)
    if settings.targets == "sampled":
        terms: list[Term] = [Likelihood(data, sources.rows)]
        if retain is not None:
            terms.append(Retain(settings.retain_weight or 1.0, retain, sources.rows))
        return terms
    top, rows = settings.teacher_top_k, sources.rows
    targets = top_targets(sources.after, ids, top, rows) if top else None
    terms = [Divergence(AFTER, 1.0, "input_ids", ids, labels, targets)]
    if retain is not None:
        targets = top_targets(sources.before, retain, top, rows) if top else None
        weight = settings.retain_weight or 1.0
        terms.append(Divergence(BEFORE, weight, "retain_ids", retain, None, targets))
    return terms


def _fixed_mean(step: Step) -> Tensor:
    """Return the ratios of blocks, which penalties are of."""
    if not isinstance(step.ratios, LearnedRatios):
        raise UserError("--reg_alpha and --smooth_weight are for ratios of a fixed mean: leave them 0")
    ratios: Tensor = step.ratios()
    return ratios


def summed_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross-entropy of the next tokens, in nats, float32 or wider.

    Args:
        logits: shape (rows, length, vocabulary).
        labels: int64 of shape (rows, length); -100 does not count, nor does the first of a row.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    flat = logits[:, :-1].flatten(0, 1).to(wide)
    return cross_entropy(flat, labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum")


@torch.inference_mode()
def mean_loss(model: nn.Module, ids: Tensor, labels: Tensor, rows: int) -> float:
    """Return the mean cross-entropy of a data set, in nats per token that counts.

    Under torch.distributed the processes share the blocks, and each returns the mean over all of them.

    Args:
        model: a causal language model in evaluation mode.
        ids: token ids of shape (blocks, block_size).
        labels: of the same shape; see `summed_loss`.
        rows: blocks at a time.
    """
    rank, size = rank_and_size()
    device = next(model.parameters()).device
    total = torch.zeros(2, dtype=torch.float64)
    for start in range(rank * rows, len(ids), size * rows):
        batch, wanted = (values[start : start + rows].to(device) for values in (ids, labels))
        loss = summed_loss(model(input_ids=batch, use_cache=False).logits, wanted)
        total += torch.stack([loss.double().cpu(), wanted[:, 1:].ne(IGNORED).sum().double().cpu()])
    total = sum_over_processes(total, device)
    return float(total[0] / total[1])
