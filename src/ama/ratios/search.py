"""Find the ratios without gradients: CMA-ES over the raw scalars, on any objective of the averaged model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cma
import torch
from torch import Tensor
from transformers import PreTrainedModel

from ama.averaging.in_memory import InMemoryAverage
from ama.ratios.learned_ratios import LearnedRatios, learned_mask
from ama.ratios.objective import Objective
from ama.ratios.parameter_blocks import ParameterBlocks
from ama.ratios.result import RatioResult
from ama.sampling.journal import Journal

OnEvaluation = Callable[[int, float, Sequence[float]], None]

JOURNAL_NAME = "evaluations"
_SPREAD = 1.0
# In raw scalars and in units of the objective: a search that moves by less has converged.
_TOLERANCES = {"tolx": 1e-3, "tolfun": 1e-6}
_CONVERGED = {"tolx", "tolfun", "tolfunhist", "tolflatfitness", "tolstagnation"}


@dataclass
class _Problem:
    """One search: raw scalars in, the objective of the averaged model out."""

    average: InMemoryAverage
    ratios: LearnedRatios
    blocks: ParameterBlocks
    objective: Objective
    known: dict[tuple[float, ...], float]
    note: Callable[[int, list[float]], None]
    on_evaluation: OnEvaluation

    def ratios_of(self, raw: Sequence[float]) -> Tensor:
        """Return the ratios, float32 of shape (n,)."""
        with torch.no_grad():
            self.ratios.scaled_raw.copy_(torch.tensor(raw) / self.ratios.steps)
            ratios: Tensor = self.ratios()
            return ratios

    def value(self, raw: Sequence[float]) -> float:
        """Return the objective of the average: the lower, the better."""
        key = tuple(map(float, raw))
        if key not in self.known:
            ratios = self.ratios_of(key)
            schedule = self.blocks.schedule(ratios.tolist(), self.ratios.mean, extrapolate=True)
            value = self.objective.of_model(self.average.mix(schedule), ratios)
            self.note(len(self.known), [*key, value])
            self.known[key] = value
            self.on_evaluation(len(self.known), value, ratios.tolist())
        return self.known[key]


def search_ratios(
    before: PreTrainedModel,
    after: PreTrainedModel,
    ratios: LearnedRatios,
    blocks: ParameterBlocks,
    objective: Objective,
    evaluations: int,
    seed: int,
    journal: Journal[float],
    on_evaluation: OnEvaluation = lambda *_: None,
) -> RatioResult:
    """Search the ratios that give the averaged model the lowest objective.

    The search walks in the raw scalars, through the same formulas as the training, so that the mean of the
    ratios stays what it is. It is deterministic: started again after a kill with the same journal, it ends
    where it would have ended. Under torch.distributed every process makes the same search, and the terms of
    the objective share their work.

    Args:
        before: the model before RLHF.
        after: the model after RLHF, of the same architecture.
        ratios: where the search starts; it ends with the best.
        blocks: which parameters share a ratio.
        objective: a number for an averaged model, the lower the better.
        evaluations: how many models to measure, rounded up to whole generations.
        seed: of the search.
        journal: of the evaluations so far: raw scalars, then the value.
        on_evaluation: called with count, value and ratios after each evaluation.

    Raises:
        UserError: the models differ in their parameters.
    """
    known = {tuple(raw): value for *raw, value in journal.read().values()}
    average = InMemoryAverage(before, after)
    note = journal.writer()
    problem = _Problem(average, ratios, blocks, objective, known, note, on_evaluation)
    start = ratios.raw.detach().tolist()
    path = [problem.ratios_of(start).tolist()]
    verdict, best = ["one block: its ratio is the mean"], start
    if len(start) > 1:
        best, verdict = _walk(problem, start, evaluations, seed, path)
    metrics = {"evaluations": float(len(problem.known))}
    metrics |= {"value": problem.value(best), "value_at_equal_ratios": problem.value(start)}
    problem.ratios_of(best)
    return RatioResult(learned_mask(ratios, blocks), path, verdict, metrics)


def _walk(
    problem: _Problem, start: list[float], evaluations: int, seed: int, path: list[list[float]]
) -> tuple[list[float], list[str]]:
    """Run CMA-ES; return the best raw scalars and a verdict, and add each generation's best to the path."""
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
    if _CONVERGED & set(strategy.stop()):
        return best, [f"{told}: settled"]
    return best, [f"warning: {told}: not settled; give more --evaluations"]
