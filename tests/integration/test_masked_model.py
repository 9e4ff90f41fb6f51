"""The masked model: what is trained is what is merged, and every raw scalar gets its true gradient."""

from pathlib import Path

import pytest
import torch
from support.masking import FAMILIES, masked, merge, save_scene, token_ids
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, PreTrainedModel, TrainingArguments

from ama.averaging.schedules.mask_alphas import read_mask, write_mask
from ama.ratios.learned_ratios import LearnedRatios, learned_mask
from ama.ratios.objective import Objective
from ama.ratios.penalty import penalty_weights
from ama.ratios.terms import Likelihood, RatioPenalty, Retain
from ama.ratios.trainer import RatioTrainer
from ama.settings.merging import Scope
from ama.settings.ratios import Approach, Penalty

LEVELS = [
    *((level, Approach.NORMALIZED) for level in ("block3", "block2", "layerwise", "linearwise", "lblock3")),
    ("linearwise", Approach.SHIFTED),
]


@pytest.fixture(scope="module", params=FAMILIES)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_scene(tmp_path_factory.mktemp("scene") / request.param, request.param)


@pytest.mark.parametrize(("level", "approach"), LEVELS)
@pytest.mark.parametrize("scope", Scope)
def test_masked_model_is_the_merged_checkpoint(
    scene: Path, level: str, scope: Scope, approach: Approach, tmp_path: Path
) -> None:
    model, ratios, blocks = masked(scene.name, level, scope, approach)
    write_mask(learned_mask(ratios, blocks), tmp_path, {})
    saved = read_mask(tmp_path)
    assert saved.ratios() == pytest.approx(ratios().tolist(), abs=1e-7)
    assert sum(saved.ratios()) / len(saved.ratios()) == pytest.approx(0.2, abs=1e-9)

    out = merge(scene, tmp_path, tmp_path / "merged", "--allow_extrapolation")
    merged = AutoModelForCausalLM.from_pretrained(out, experts_implementation="eager").eval()
    with torch.no_grad():
        ours, theirs = model(token_ids()).logits, merged(token_ids()).logits
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def _loss(model: PreTrainedModel, ids: Tensor) -> Tensor:
    return cross_entropy(model(ids).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def _gradient(model: PreTrainedModel, ratios: LearnedRatios) -> Tensor:
    ratios.scaled_raw.grad = None
    _loss(model, token_ids()).backward()
    assert ratios.scaled_raw.grad is not None
    return ratios.scaled_raw.grad.clone()


@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("approach", [Approach.NORMALIZED, Approach.SHIFTED])
@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_finite_differences(
    family: str,
    scope: Scope,
    approach: Approach,
    penalised: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The router of experts rounds to float32, which finite differences would see.
    monkeypatch.setattr(Tensor, "float", lambda tensor: tensor)
    model, ratios, blocks = masked(family, "lblock3", scope, approach, torch.float64)
    kind = Penalty.ABSOLUTE_WEIGHTED
    batch = {"input_ids": token_ids(), "labels": token_ids(), "retain_ids": token_ids(1)}
    terms = [Likelihood(batch, 2), Retain(0.5, batch["retain_ids"], 1)]
    if penalised:
        terms.append(RatioPenalty(0.01, kind, ratios.mean, penalty_weights(kind, blocks.linears, 4)))
    trainer = RatioTrainer(
        model=model,
        args=TrainingArguments(str(tmp_path), use_cpu=True, report_to="none"),
        objective=Objective(*terms),
        ratios=ratios,
    )

    def objective() -> Tensor:
        loss: Tensor = trainer.compute_loss(model, batch)
        return loss

    objective().backward()
    gradient = ratios.scaled_raw.grad
    assert gradient is not None
    step = 1e-5
    for block in range(len(gradient)):
        values = []
        for sign in (1, -2):
            with torch.no_grad():
                ratios.scaled_raw[block] += sign * step
                values.append(float(objective()))
        with torch.no_grad():
            ratios.scaled_raw[block] += step
        slope = (values[0] - values[1]) / (2 * step)
        assert float(gradient[block]) == pytest.approx(slope, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_activation_checkpointing_gives_the_same_gradient(family: str) -> None:
    model, ratios, _ = masked(family, "layerwise", Scope.ALL)
    plain = _gradient(model, ratios)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    assert torch.equal(_gradient(model, ratios), plain)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_autocast_gives_the_same_gradient_to_its_precision(family: str) -> None:
    model, ratios, _ = masked(family, "block3")
    exact = _gradient(model, ratios)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = _gradient(model, ratios)
    assert rounded.dtype == torch.float32
    assert (rounded - exact).norm() <= 0.05 * exact.norm()


def test_only_the_raw_scalars_are_trained_and_a_step_moves_the_forward_pass() -> None:
    model, ratios, _ = masked("llama", "block3")
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["learned_ratios.scaled_raw"]
    weights = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    first = model(token_ids()).logits
    optimizer = torch.optim.AdamW(nn.ParameterList([ratios.scaled_raw]), lr=0.1)
    _loss(model, token_ids()).backward()
    optimizer.step()
    assert not torch.equal(model(token_ids()).logits, first)
    assert all(torch.equal(model.get_parameter(name), weight) for name, weight in weights.items())
