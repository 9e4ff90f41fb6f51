"""learn_ratios: what the command calls; one objective for training and search; a term of one's own."""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from support.masking import masked, optimize, save_scene, tiny_model, token_ids
from torch import Tensor
from transformers import PreTrainedModel

from ama.averaging.in_memory import InMemoryAverage
from ama.averaging.live import plan_live
from ama.data.labelled_blocks import IGNORED
from ama.ratios.learn import learn_ratios
from ama.ratios.learned_ratios import LearnedRatios
from ama.ratios.objective import Objective, Step, Term
from ama.ratios.parameter_blocks import ParameterBlocks
from ama.ratios.penalty import penalty_weights
from ama.ratios.terms import Likelihood, RatioPenalty, Retain, Smoothness
from ama.settings.ratios import (
    ObjectiveSettings,
    Penalty,
    RatioSettings,
    RatioTrainingSettings,
    SearchSettings,
)


def _data() -> dict[str, Tensor]:
    ids = token_ids(6)
    labels = ids.clone()
    labels[:, 0] = labels[0] = labels[3, 4:] = IGNORED
    return {"input_ids": ids, "labels": labels}


def _objective(data: Mapping[str, Tensor], blocks: ParameterBlocks) -> Objective:
    kind = Penalty.SQUARED_WEIGHTED
    penalty = RatioPenalty(0.01, kind, 0.2, penalty_weights(kind, blocks.linears, 4))
    return Objective(Likelihood(data, 4), Retain(0.5, token_ids(6).flip(0), 4), penalty)


def _of_average(objective: Objective, ratios: LearnedRatios, blocks: ParameterBlocks) -> float:
    pair = tiny_model("llama", 1), tiny_model("llama", 2)
    schedule = blocks.schedule(ratios().tolist(), ratios.mean, extrapolate=True)
    mixed = InMemoryAverage(*pair).mix(plan_live(*pair, schedule))
    return objective.of_model(mixed, ratios().detach())


def _in_step(
    objective: Objective,
    model: PreTrainedModel,
    ratios: LearnedRatios,
    data: Mapping[str, Tensor],
    **share: int,
) -> float:
    return float(objective.in_step(model, ratios, data, **share)[0].detach())


def test_training_and_search_have_the_same_objective() -> None:
    model, ratios, blocks = masked("llama", "lblock3")
    objective = _objective(_data(), blocks)
    value = _of_average(objective, ratios, blocks)
    assert _in_step(objective, model, ratios, objective.data) == pytest.approx(value, rel=1e-6)
    # Micro-batches of a step add up to it, however unevenly the labels lie.
    labels = int(_data()["labels"][:, 1:].ne(IGNORED).sum())
    parts = [{name: rows[at : at + 2] for name, rows in objective.data.items()} for at in (0, 2, 4)]
    share = {"labels": labels, "micro_batches": 3}
    summed = sum(_in_step(objective, model, ratios, part, **share) for part in parts)
    assert summed == pytest.approx(value, rel=1e-6)


class _Drift(Term):
    """Mean squared logit of texts of its own, as an example."""

    reads = "drift_ids"

    def __init__(self, blocks: Tensor) -> None:
        self.data = {self.reads: blocks}

    def in_step(self, step: Step) -> Tensor:
        return step.logits[self.reads].square().mean() / step.micro_batches

    def of_model(self, model: PreTrainedModel, ratios: Tensor) -> float:
        with torch.no_grad():
            return float(model(input_ids=self.data[self.reads]).logits.square().mean())


def test_a_term_of_its_own_is_added_to_both() -> None:
    model, ratios, blocks = masked("llama", "block3")
    known = _objective(_data(), blocks)
    objective = Objective(*known.terms, _Drift(token_ids(6) // 2))
    assert list(objective.data) == ["input_ids", "labels", "retain_ids", "drift_ids"]
    found = _in_step(objective, model, ratios, objective.data)
    assert found == pytest.approx(_of_average(objective, ratios, blocks), rel=1e-6)
    assert found > _in_step(known, model, ratios, known.data) + 1e-4


@pytest.mark.parametrize("optimizer", ["adam", "search"])
def test_the_function_gives_what_the_command_gives(tmp_path: Path, optimizer: str) -> None:
    scene = save_scene(tmp_path)
    words = ("--mean_ratio", "0.3", "--retain_weight", "0.5", "--optimizer", optimizer)
    by_command = optimize(scene, *words, "--evaluations", "8")
    result = learn_ratios(
        str(scene / "before"),
        scene / "after",
        scene / "samples.json",
        scene / "function",
        RatioSettings(mean_ratio=0.3),
        ObjectiveSettings(retain_weight=0.5, block_size=16),
        RatioTrainingSettings(micro_batch=4, lr=0.05, max_steps=4),
        SearchSettings(optimizer=optimizer, evaluations=8),
    )
    files = [folder / "mask_alphas.bin" for folder in (by_command, scene / "function")]
    assert files[0].read_bytes() == files[1].read_bytes()
    readable = json.loads((scene / "function" / "mask_alphas.json").read_text())
    assert readable["path"] == result.path
    assert readable["verdict"] == result.verdict
    assert list(readable["ratios"].values()) == result.mask.ratios()
    # Every setting is on record, also those that were not given.
    for name, value in {"mean_ratio": 0.3, "optimizer": optimizer, "retain_samples": 64, "lr": 0.05}.items():
        assert readable[name] == value


def test_smoothness_is_the_squared_steps_from_block_to_block() -> None:
    model, ratios, _ = masked("llama", "layerwise")
    values = ratios().double().tolist()
    expected = 3.0 * sum((after - before) ** 2 for before, after in pairwise(values))
    term = Smoothness(3.0)
    assert term.of_model(model, ratios().detach()) == pytest.approx(expected)
    loss = term.in_step(Step({}, {}, ratios, micro_batches=2))
    assert float(loss.detach()) == pytest.approx(expected / 2)
    loss.backward()
    assert ratios.scaled_raw.grad is not None
    assert ratios.scaled_raw.grad.abs().min() > 0


def test_smoothness_keeps_neighbouring_ratios_together(tmp_path: Path) -> None:
    scene = save_scene(tmp_path)
    steps = []
    for number, weight in enumerate((0.0, 100.0)):
        learned = learn_ratios(
            scene / "before",
            scene / "after",
            scene / "samples.json",
            tmp_path / f"masks{number}",
            RatioSettings(mask_level="layerwise"),
            ObjectiveSettings(block_size=16, smooth_weight=weight, reg_alpha=0.0),
            RatioTrainingSettings(lr=0.05, max_steps=20),
        )
        ratios = learned.mask.ratios()
        steps.append(max(abs(one - other) for one, other in pairwise(ratios)))
    assert steps[1] < steps[0] / 3
