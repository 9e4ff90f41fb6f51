"""Find the ratios without gradients: CMA-ES over the raw scalars, on any measure of the averaged model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ama.averaging.in_memory import InMemoryAverage
from ama.averaging.live import plan_live
from ama.processes import rank_and_size
from ama.ratios.blocks import MaskBlocks
from ama.ratios.module import LearnedRatios
from ama.ratios.objective import whole_penalty
from ama.ratios.optimize import Outcome, learned_mask, start_ratios
from ama.ratios.settings import MaskSettings
from ama.sampling.journal import Journal

JOURNAL_NAME = "evaluations"
_SPREAD = 1.0
# In raw scalars and in units of the measure: a search that moves by less has settled.
_TOLERANCES = {"tolx": 1e-3, "tolfun": 1e-6}
_SETTLED = {"tolx", "tolfun", "tolfunhist", "tolflatfitness", "tolstagnation"}


@dataclass
class _Problem:
    """One search: raw scalars in, the value of the averaged model out."""

    pair: tuple[PreTrainedModel, PreTrainedModel]
    average: InMemoryAverage
    ratios: LearnedRatios
    blocks: MaskBlocks
    settings: MaskSettings
    measure: Callable[[PreTrainedModel], float]
    known: dict[tuple[float, ...], float]
    note: Callable[[int, list[float]], None]
    on_evaluation: Callable[[int, float, Sequence[float]], None]

    def ratios_of(self, raw: Sequence[float]) -> Tensor:
        """Return the ratios, float32 of shape (n,)."""
        with torch.no_grad():
            self.ratios.scaled_raw.copy_(torch.tensor(raw) / self.ratios.steps)
            ratios: Tensor = self.ratios()
            return ratios

    def value(self, raw: Sequence[float]) -> float:
        """Return the measure of the average plus the penalty: the lower, the better."""
        key = tuple(map(float, raw))
        if key not in self.known:
            ratios = self.ratios_of(key)
            schedule = self.blocks.schedule(ratios.tolist(), self.settings.init_val, extrapolate=True)
            model = self.average.mix(plan_live(*self.pair, schedule))
            layers = model.config.num_hidden_layers
            value = self.measure(model) + whole_penalty(ratios, self.blocks, layers, self.settings)
            self.note(len(self.known), [*key, value])
            self.known[key] = value
            self.on_evaluation(len(self.known), value, ratios.tolist())
        return self.known[key]


def search(
    before: PreTrainedModel,
    after: PreTrainedModel,
    settings: MaskSettings,
    measure: Callable[[PreTrainedModel], float],
    *,
    evaluations: int,
    seed: int,
    journal: Journal[float],
    on_evaluation: Callable[[int, float, Sequence[float]], None] = lambda *_: None,
) -> Outcome:
    """Search the ratios that give the averaged model the lowest measure.

    The search walks in the raw scalars, through the same formulas as the training, so that the mean of the
    ratios is init_val throughout. It is deterministic: started again after a kill with the same journal, it
    ends where it would have ended. Under torch.distributed every process makes the same search, and the
    measure may share its work.

    Args:
        before: the model before RLHF.
        after: the model after RLHF, of the same architecture.
        settings: what decides the ratios; loss_on and retain_weight are the measure's.
        measure: a number for an averaged model, the lower the better: its loss, or minus its reward.
        evaluations: how many models to measure, rounded up to whole generations.
        seed: of the search.
        journal: of the evaluations so far: raw scalars, then the value.
        on_evaluation: called with count, value and ratios after each evaluation.

    Raises:
        UserError: the models differ in architecture, or blocks that do not fit the model.
    """
    average = InMemoryAverage(before, after)
    blocks, ratios = start_ratios(after, settings)
    known = {tuple(raw): value for *raw, value in journal.read().values()}
    pair, note = (before, after), journal.writer()
    problem = _Problem(pair, average, ratios, blocks, settings, measure, known, note, on_evaluation)
    start = ratios.raw.detach().tolist()
    path = [problem.ratios_of(start).tolist()]
    verdict, best = ["one block: its ratio is the mean"], start
    if len(start) > 1:
        best, verdict = _walk(problem, start, evaluations, seed, path)
    metrics = {"evaluations": float(len(problem.known))}
    metrics |= {"value": problem.value(best), "value_at_equal_ratios": problem.value(start)}
    is_main = rank_and_size()[0] == 0
    problem.ratios_of(best)
    return Outcome(learned_mask(ratios, blocks), path, verdict, metrics, is_main)


def _walk(
    problem: _Problem, start: list[float], evaluations: int, seed: int, path: list[list[float]]
) -> tuple[list[float], list[str]]:
    """Run CMA-ES; return the best raw scalars and a verdict, and add each generation's best to the path."""
    import cma

    # cma takes seed 0 for a seed by the clock.
    options: dict[str, Any] = {"seed": seed + 1, "verbose": -9, **_TOLERANCES}
    strategy = cma.CMAEvolutionStrategy(start, _SPREAD, options)
    best, lowest, done = start, problem.value(start), 1
    candidates = [start]
    while done < evaluations and not strategy.stop():
        candidates = [candidate.tolist() for candidate in strategy.ask()]
        values = [problem.value(candidate) for candidate in candidates]
        strategy.tell(candidates, values)
        done += len(values)
        if min(values) < lowest:
            lowest = min(values)
            best = candidates[values.index(lowest)]
        path.append(problem.ratios_of(best).tolist())
    tried = torch.stack([problem.ratios_of(candidate) for candidate in candidates])
    spread = float((tried.amax(0) - tried.amin(0)).max())
    told = f"{done} models measured; the last candidates' ratios differ by up to {spread:.4f}"
    if _SETTLED & set(strategy.stop()):
        return best, [f"{told}: settled"]
    return best, [f"warning: {told}: not settled; give more --evaluations"]
