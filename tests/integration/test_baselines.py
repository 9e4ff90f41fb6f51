"""Each baseline changes the result in its direction: nearer weights, nearer output, lower replay loss."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch
from support.call import call, complaint
from support.learning import crash_at
from support.polite import TOPICS, trained_world
from support.tiny import load, same

from ama import train_dpo, train_raft, train_sft
from ama.data import pack
from ama.data.samples import read_samples
from ama.evaluation.measures.loss import measure_loss
from ama.models import load_model, load_tokenizer
from ama.training.baselines import distillation
from ama.training.distance import distance_penalty
from ama.training.moving_average import MovingAverage

STEPS = ("--max_steps", "12", "--lr", "3e-3", "--batch", "16", "--micro_batch", "8")
GENERAL = " ".join(f"{word} {word} {word}" for word in TOPICS * 40)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = trained_world(tmp_path_factory.mktemp("world"))
    (world / "general.txt").write_text(GENERAL)
    for kind in KINDS:
        _train(world, kind, "none")
    return world


KINDS = ("sft", "dpo")


def _train(world: Path, kind: str, name: str, *more: str) -> Path:
    out = world / f"{kind}-{name}"
    places = ("--model", world / "before", "--out", out)
    if kind == "dpo":
        call(train_dpo.main, *places, "--data", world / "pairs.json", *STEPS, *more)
    else:
        # Prompts count here: unlike the replies they are all one topic after the other.
        call(train_sft.main, *places, "--data", world / "prompts.json", "--block_size", "16", *STEPS, *more)
    return out


def _distance(world: Path, out: Path, power: int) -> float:
    start, end = load(world / "before"), load(out)
    return float(sum(((end[name] - start[name]).abs() ** power).sum() for name in start))


def _divergence(world: Path, out: Path) -> float:
    """Return the mean KL divergence of the next-token distributions from before's, on dialogues, in nats."""
    tokenizer = load_tokenizer(world / "before")
    texts = [sample.prompt + sample.reply for sample in read_samples(world / "sft.json")[:100]]
    blocks = pack(texts, tokenizer, 16)
    with torch.no_grad():
        before, after = (
            load_model(folder)(input_ids=blocks).logits.log_softmax(-1) for folder in (world / "before", out)
        )
    return float((before.exp() * (before - after)).sum(-1).mean())


def _general_loss(out: Path) -> float:
    return measure_loss(load_model(out), pack([GENERAL], load_tokenizer(out), 16), 64).mean


@pytest.mark.parametrize("kind", KINDS)
def test_l1_stays_nearer_before(world: Path, kind: str) -> None:
    near = _train(world, kind, "l1", "--l1", "0.04")
    assert _distance(world, near, 1) < 0.8 * _distance(world, world / f"{kind}-none", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_l2_stays_nearer_before(world: Path, kind: str) -> None:
    near = _train(world, kind, "l2", "--l2", "1")
    assert _distance(world, near, 2) < 0.8 * _distance(world, world / f"{kind}-none", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_distillation_stays_nearer_befores_output(world: Path, kind: str) -> None:
    near = _train(world, kind, "distill", "--distill", "30")
    assert _divergence(world, near) < 0.8 * _divergence(world, world / f"{kind}-none")


@pytest.mark.parametrize("kind", KINDS)
def test_replay_lowers_the_loss_on_general_text(world: Path, kind: str) -> None:
    replay = ("--replay", str(world / "general.txt"), "--replay_weight", "1", "--replay_block", "16")
    replayed = _train(world, kind, "replay", *replay)
    assert _general_loss(replayed) < _general_loss(world / f"{kind}-none") - 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_moving_average_is_the_result_in_place_of_the_last_weights(world: Path, kind: str) -> None:
    decay, weights = 0.9, [load(world / "before")]
    take_in = MovingAverage.on_step_end

    def watched(self: MovingAverage, *states: Any, **others: Any) -> None:
        model = others["model"]
        weights.append({name: value.detach().clone() for name, value in model.named_parameters()})
        take_in(self, *states, **others)

    with patch.object(MovingAverage, "on_step_end", watched):
        out = _train(world, kind, "ema", "--ema", str(decay))
    assert len(weights) == 13
    # The average does not act on the training.
    last = load(world / f"{kind}-none")
    assert all(torch.equal(weights[-1][name], last[name]) for name in last)
    end = load(out)
    for name, average in weights[0].items():
        exact = average.double()
        for after in weights[1:]:
            exact = decay * exact + (1 - decay) * after[name].double()
        torch.testing.assert_close(end[name].double(), exact, rtol=3e-7, atol=1e-9)
    assert 0 < _distance(world, out, 2) < 0.5 * _distance(world, world / f"{kind}-none", 2)


def test_a_step_of_the_moving_average_is_right_to_rounding() -> None:
    torch.manual_seed(0)
    model, average = torch.nn.Linear(64, 64), MovingAverage(0.99)
    states: tuple[Any, ...] = (None, SimpleNamespace(global_step=0), SimpleNamespace(should_save=False))
    start = model.weight.detach().double()
    average.on_train_begin(*states, model=model)
    with torch.no_grad():
        model.weight.add_(torch.randn(64, 64))
    parts = 0.99 * start, 0.01 * model.weight.detach().double()
    average.on_step_end(*states, model=model)
    average.on_train_end(*states, model=model)
    off = (model.weight.detach().double() - sum(parts)).abs()
    # One for each of the product, the sum, and the factor.
    rounding = torch.finfo(torch.float32).eps / 2
    assert (off <= 3 * rounding * torch.maximum(*map(torch.abs, parts))).all()


def test_a_resumed_average_is_that_of_an_uninterrupted_training(world: Path) -> None:
    options = ("--ema", "0.8", "--save_steps", "4")
    whole = _train(world, "sft", "whole-ema", *options)
    with crash_at(7), pytest.raises(KeyboardInterrupt):
        _train(world, "sft", "cut-ema", *options)
    assert same(_train(world, "sft", "cut-ema", *options), whole)


@pytest.mark.slow
def test_raft_holds_on_to_the_first_model(world: Path, tmp_path: Path) -> None:
    models = (
        "--model",
        world / "before",
        "--reward_model",
        world / "judge",
        "--prompts",
        world / "prompts.json",
    )
    sizes = ("--iterations", "2", "--prompts_per_iteration", "32", "--samples", "4", "--max_new_tokens", "8")
    sizes += ("--block_size", "32", "--batch", "16", "--micro_batch", "16", "--lr", "3e-3")
    for name, more in (("none", ()), ("l2", ("--l2", "3")), ("ema", ("--ema", "0.9"))):
        call(train_raft.main, *models, "--out", tmp_path / name, *sizes, *more)
    none, near, average = (tmp_path / name / "iteration_02" / "model" for name in ("none", "l2", "ema"))
    # The penalty of the second iteration is on the distance from before, not from the first's model.
    assert _distance(world, near, 2) < 0.5 * _distance(world, none, 2)
    # The second iteration goes on from the first one's average.
    assert _distance(world, average, 2) < 0.5 * _distance(world, none, 2)


def test_accumulation_does_not_change_the_weight_of_a_term(world: Path) -> None:
    whole = _train(world, "sft", "whole", "--l2", "1", "--micro_batch", "16")
    parts = _train(world, "sft", "parts", "--l2", "1", "--micro_batch", "4")
    start, first, second = (load(folder) for folder in (world / "before", whole, parts))
    moved = sum(((first[name] - start[name]) ** 2).sum() for name in start)
    between = sum(((first[name] - second[name]) ** 2).sum() for name in start)
    assert between < 1e-4 * moved


def test_the_formulas() -> None:
    one, other = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        one.weight.copy_(torch.tensor([[3.0, -1.0]]))
        other.weight.copy_(torch.tensor([[1.0, 0.0]]))
    start = dict(other.named_parameters())
    assert distance_penalty(one, start, 0.5, 0.0).item() == pytest.approx(1.5)
    assert distance_penalty(one, start, 0.0, 2.0).item() == pytest.approx(10)
    logits = torch.tensor([[[0.0, 0.0], [5.0, 5.0]]])
    before = torch.tensor([[[0.0, 1e9], [1e9, 0.0]]])
    assert distillation(logits, before, torch.tensor([[1, 0]])).item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--l1", "-1"), "--l1 -1.0: give 0 or more"),
        (("--ema", "1"), "--ema 1.0: give a number in [0, 1)"),
        (("--replay_weight", "1"), "--replay needs --replay_weight above 0, and the other way round"),
        (("--l2", "1", "--lora_r", "2"), "with --lora_r they are frozen: drop one"),
    ],
)
def test_mistakes(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    places = ("--model", world / "before", "--data", world / "sft.json", "--out", tmp_path / "out")
    assert said in complaint(capsys, train_sft.main, *places, "--block_size", "32", *more)
    assert not list(tmp_path.glob("out*"))
