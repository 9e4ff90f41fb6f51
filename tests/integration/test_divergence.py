"""The divergence from a reference as a measure of sweeps: zero for itself, and the KL that it says."""

from pathlib import Path

import pytest
import torch
from support.evaluating import make_reader

from ama.errors import UserError
from ama.evaluation.measure import Number, measures_of
from ama.evaluation.measures.divergence import divergences
from ama.evaluation.subject import model_subject
from ama.models import load_model
from ama.settings.evaluation import ScoringSettings
from ama.settings.measures import DivergenceSettings

SCORING = ScoringSettings(scores=Path("scores.jsonl"))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and a text."""
    scene = tmp_path_factory.mktemp("scene")
    for seed, name in enumerate(("before", "after")):
        make_reader(scene / name, seed + 1)
    (scene / "text.txt").write_text("what is it ? " * 40)
    return scene


def _measured(scene: Path, model: str, batch: int = 8) -> Number:
    data = (f"mine={scene / 'text.txt'}",)
    settings = DivergenceSettings(data=data, reference=scene / "before", block_size=8, batch=batch)
    (measure,) = measures_of(settings, SCORING)
    subject = model_subject(str(scene / model))
    (number,) = measure.run(subject, measure.open(subject)) or []
    return number


def test_a_model_does_not_diverge_from_itself(scene: Path) -> None:
    number = _measured(scene, "before")
    assert number.metric == "kl"
    assert number.value == pytest.approx(0, abs=1e-7)


def test_the_divergence_is_that_of_a_straightforward_computation(scene: Path) -> None:
    pair = [load_model(scene / name) for name in ("before", "after")]
    blocks = torch.arange(16).view(2, 8)
    with torch.no_grad():
        first, second = (model(input_ids=blocks).logits[:, :-1].double().softmax(-1) for model in pair)
        found = divergences(*pair, blocks)
    expected = (first * (first / second).log()).sum(-1).mean(1)
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    assert found.min() > 0


def test_the_rows_do_not_depend_on_the_batch(scene: Path) -> None:
    one, other = _measured(scene, "after", batch=1), _measured(scene, "after", batch=3)
    assert one.value == pytest.approx(other.value, rel=1e-5)
    assert one.n == other.n > 3
    assert one.stderr is not None
    assert one.items is not None


def test_the_reference_must_be_a_model(scene: Path) -> None:
    settings = DivergenceSettings(data=(f"mine={scene / 'text.txt'}",), reference=scene)
    with pytest.raises(UserError, match=r"not a model folder \(no config.json\)"):
        measures_of(settings, SCORING)
