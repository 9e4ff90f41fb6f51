"""Free ratios: their gradients, the walk over prices, and that what is learned is what is merged."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.call import call
from support.masking import (
    LAYERS,
    in_double,
    merge,
    optimize_arguments,
    save_tokenizer,
    tiny_model,
    token_ids,
)
from support.masking import save_scene as save_far_scene
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax
from transformers import AutoModelForCausalLM, PreTrainedModel

from ama import optimize_masks
from ama.averaging.in_memory import InMemoryAverage, load_merged
from ama.averaging.plan import plan_merge
from ama.averaging.schedules.grammar import read_schedule
from ama.checkpoint.names import layer_of
from ama.checkpoint.resolve import open_pair
from ama.errors import UserError
from ama.ratios.divergence import AFTER, BEFORE, Divergence, top_divergence, top_targets, whole_divergence
from ama.ratios.free_model import free_masked_model
from ama.ratios.free_ratios import FreeRatios, start_free_ratios
from ama.ratios.objective import Objective
from ama.settings.merging import Scope
from ama.settings.ratios import Approach, RatioSettings

LEVELS = ("tensor", "row", "element", "block2", "linearwise")
FAMILIES = ("llama", "llama-tied", "gpt2")
WALK = ("--approach", "free_sigmoid", "--targets", "soft", "--loss_on", "response", "--scope", "all")
WALK += ("--lr", "0.3", "--max_steps", "3", "--retain_samples", "8")


def _near(family: str) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Return two models whose weights lie as near as RLHF leaves them."""
    before, after = tiny_model(family, 1), tiny_model(family, 1)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in after.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    return before, after


def _scene(folder: Path, family: str) -> Path:
    save_far_scene(folder, family)
    for name, model in zip(("before", "after"), _near(family), strict=True):
        model.save_pretrained(folder / name)
    return folder


def _masked(
    family: str, level: str, scope: Scope, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, FreeRatios]:
    """Return the masked model of two tiny ones whose ratios are scattered over (0, 1)."""
    before, after = _near(family)
    if dtype == torch.float64:
        before, after = in_double(before), in_double(after)
    settings = RatioSettings(approach=Approach.FREE, mask_level=level, scope=scope)
    free = start_free_ratios(after, settings)
    generator = torch.Generator().manual_seed(4)
    model = free_masked_model(before, after, free).to(dtype).eval()
    with torch.no_grad():
        for raw in free.raw.values():
            raw += torch.randn(raw.shape, generator=generator)
    return model, free


@pytest.fixture(scope="module", params=FAMILIES)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _scene(tmp_path_factory.mktemp("free") / request.param, request.param)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _scene(tmp_path_factory.mktemp("free") / "llama", "llama")


def _learn(scene: Path, name: str, *arguments: str) -> Path:
    out = scene / name
    call(optimize_masks.main, *optimize_arguments(scene, "--output_dir", str(out), *WALK, *arguments))
    return out


@pytest.mark.parametrize(
    ("level", "scope"),
    [("tensor", Scope.ALL), ("row", Scope.ALL), ("element", Scope.ALL), ("row", Scope.LINEAR)],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_finite_differences(
    family: str, level: str, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tensor, "float", lambda tensor: tensor)
    model, free = _masked(family, level, scope, torch.float64)
    batch = {"input_ids": token_ids(), "labels": token_ids(), "retain_ids": token_ids(1)}
    goal = Objective(
        Divergence(AFTER, 1.0, "input_ids", batch["input_ids"], batch["labels"], None),
        Divergence(BEFORE, 1.0, "retain_ids", batch["retain_ids"], None, None),
    )

    def objective() -> Tensor:
        return goal.in_step(model, free, batch, price=0.3)[0]

    objective().backward()
    step, generator = 1e-5, torch.Generator().manual_seed(5)
    for name, raw in free.raw.items():
        assert raw.grad is not None
        if layer_of(name) in (1, 2):
            # As the others.
            continue
        # Along a random direction, in which every entry of the gradient has a part.
        way = torch.randn(raw.shape, generator=generator, dtype=raw.dtype)
        values = []
        for sign in (1, -2):
            with torch.no_grad():
                raw += sign * step * way
                values.append(float(objective()))
        with torch.no_grad():
            raw += step * way
        slope = (values[0] - values[1]) / (2 * step)
        assert float((raw.grad * way).sum()) == pytest.approx(slope, rel=2e-4, abs=1e-9)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_masked_model_becomes_its_parents(family: str, scope: Scope) -> None:
    model, free = _masked(family, "element", scope)
    before, after = _near(family)
    with torch.no_grad():
        own = model(token_ids()).logits
        for ratio, parent in ((0.0, after), (1.0, before)):
            with free.hold(ratio):
                assert torch.equal(model(token_ids()).logits, parent(token_ids()).logits)
        assert torch.equal(model(token_ids()).logits, own)
    assert not torch.equal(own, before(token_ids()).logits)


def test_only_raw_scalars_are_trained_and_activation_checkpointing_gives_the_same_gradient() -> None:
    model, free = _masked("llama", "row", Scope.ALL)
    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert trained == {id(raw) for raw in free.raw.values()}
    model.train()
    model(token_ids()).logits.square().mean().backward()
    plain = {name: raw.grad.clone() for name, raw in free.raw.items() if raw.grad is not None}
    assert plain.keys() == free.raw.keys()
    model.zero_grad()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model(token_ids()).logits.square().mean().backward()
    for name, raw in free.raw.items():
        assert raw.grad is not None
        assert torch.equal(raw.grad, plain[name])


@pytest.mark.slow
@pytest.mark.parametrize(("level", "scope"), [*((level, "all") for level in LEVELS), ("row", "linear")])
def test_the_masked_model_is_the_merged_checkpoint(
    scene: Path, level: str, scope: str, tmp_path: Path
) -> None:
    top = () if level in ("tensor", "row", "element") else ("--teacher_top_k", "8")
    name = f"{level}-{scope}"
    out = _learn(scene, name, "--mask_level", level, "--scope", scope, "--price", "0.1", "1", *top)
    for price in ("0.1", "1"):
        merged_folder = merge(scene, out, tmp_path / price, "--price", price)
        merged = AutoModelForCausalLM.from_pretrained(merged_folder).eval()
        before, after = _near(scene.name)
        settings = RatioSettings(approach=Approach.FREE, mask_level=level, scope=Scope(scope))
        free = start_free_ratios(after, settings)
        model = free_masked_model(before, after, free).eval()
        held = load_file(out / f"price-{price}" / "model.safetensors")
        assert held.keys() == free.group_of.keys()
        with torch.no_grad():
            for tensor, group in free.group_of.items():
                free.raw[group].copy_(held[tensor].double().logit())
            ours, theirs = model(token_ids()).logits, merged(token_ids()).logits
            started = before(token_ids()).logits
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
        assert (theirs - started).abs().max() > 1e-4 * theirs.abs().max()
        # What a sweep mixes in memory has the same weights.
        schedule = read_schedule(f"{out}@price={price}")
        plan = plan_merge(*open_pair(str(scene / "before"), str(scene / "after"), (None, None)), schedule)
        loaded = load_merged(plan)[0].state_dict()
        parents = [AutoModelForCausalLM.from_pretrained(scene / name) for name in ("before", "after")]
        mixed = InMemoryAverage(*parents).mix(plan).state_dict()
        for tensor, values in merged.state_dict().items():
            assert torch.equal(loaded[tensor], values)
            assert torch.equal(mixed[tensor], values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_element_is_rounded_once(tmp_path: Path, dtype: torch.dtype) -> None:
    before, after = (model.to(dtype) for model in _near("gpt2"))
    for name, model in (("before", before), ("after", after)):
        model.save_pretrained(tmp_path / name)
        save_tokenizer(tmp_path / name)
    free = start_free_ratios(
        after, RatioSettings(approach=Approach.FREE, mask_level="element", scope=Scope.ALL)
    )
    ratios = {name: torch.rand(before.get_parameter(name).shape).half() for name in free.group_of}
    _save_ratios(tmp_path / "ratios", ratios)
    merge(tmp_path, tmp_path / "ratios", tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=dtype)
    for name, ratio in ratios.items():
        first, second = (model.get_parameter(name).detach().double() for model in (before, after))
        exact = torch.lerp(second, first, ratio.double())
        error = (merged.get_parameter(name).detach().double() - exact).abs()
        # Half a step of the type, and what float32 in between adds to it in bfloat16.
        assert (error <= exact.abs() * torch.finfo(dtype).eps * 0.51 + 1e-12).all()


def _save_ratios(folder: Path, ratios: dict[str, Tensor], price: str = "0.1") -> None:
    (folder / f"price-{price}").mkdir(parents=True)
    save_file(ratios, folder / f"price-{price}" / "model.safetensors")
    means = {name: float(values.float().mean()) for name, values in ratios.items()}
    entry = {"mean": 0.5, "xxh3_128": "0" * 32, "means": means}
    record = {"approach": "free_sigmoid", "mask_level": "element", "scope": "all", "prices": {price: entry}}
    (folder / "mask_alphas.json").write_text(json.dumps(record))


@pytest.mark.slow
def test_prices_are_walked_from_small_to_large(llama: Path) -> None:
    out = _learn(llama, "walk", "--mask_level", "row", "--price", "0", "0.3", "30", "--max_steps", "20")
    record = json.loads((out / "mask_alphas.json").read_text())
    means = [record["prices"][price]["mean"] for price in ("0", "0.3", "30")]
    # Alone, after is imitated best by itself; the dearer before is, the more of it there is.
    assert means[0] < 0.3
    assert means[0] < means[1] < means[2]
    assert means[2] > 0.35
    assert record["price"] == [0, 0.3, 30]
    assert len(record["path"]) == 3 * 20 + 1
    table = record["prices"]["30"]["by_module"]
    assert set(table) == {*map(str, range(LAYERS)), "-"}
    assert set(table["0"]) >= {"self_attn.q_proj", "mlp.down_proj", "input_layernorm"}
    assert (out / "mask_alphas.png").stat().st_size > 10_000
    assert sorted(path.name for path in out.iterdir()) == [
        "mask_alphas.json",
        "mask_alphas.png",
        "price-0",
        "price-0.3",
        "price-30",
    ]
    # Each begins where the last one ended: alone, the second ends elsewhere.
    alone = _learn(llama, "alone", "--mask_level", "row", "--price", "0.3", "--max_steps", "20")
    assert json.loads((alone / "mask_alphas.json").read_text())["prices"]["0.3"]["mean"] != means[1]


class _KilledError(Exception):
    pass


@contextmanager
def _killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from ama.ratios.trainer import RatioTrainer

    real = RatioTrainer.compute_loss

    def dies(self: RatioTrainer, *arguments: object, **options: object) -> object:
        if self.state.global_step == step:
            raise _KilledError
        return real(self, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(RatioTrainer, "compute_loss", dies)
        yield


@pytest.mark.slow
def test_a_walk_that_was_cut_short_goes_on_to_the_same_bytes(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = ("--mask_level", "element", "--price", "0.1", "0.3", "1", "--max_steps", "4", "--save_steps", "3")
    whole = _learn(llama, "whole", *walk)
    earlier = _learn(llama, "cut", "--mask_level", "row", "--price", "0.5")
    kept = (earlier / "mask_alphas.json").read_bytes()
    for step in (2, 7, 11):
        with _killed_at(step, monkeypatch), pytest.raises(_KilledError):
            _learn(llama, "cut", *walk, "--overwrite")
        # The earlier result stays until the new one is there.
        assert (earlier / "mask_alphas.json").read_bytes() == kept
        assert (earlier / "price-0.5").is_dir()
    cut = _learn(llama, "cut", *walk, "--overwrite")
    assert not (cut / "price-0.5").exists()
    for price in ("0.1", "0.3", "1"):
        one, other = (out / f"price-{price}" / "model.safetensors" for out in (whole, cut))
        assert one.read_bytes() == other.read_bytes()
    records = [json.loads((out / "mask_alphas.json").read_text()) for out in (whole, cut)]
    assert records[0]["prices"] == records[1]["prices"]
    assert records[0]["path"] == records[1]["path"]


def test_top_targets_are_whole_ones_where_they_hold_every_token() -> None:
    parent, average = tiny_model("llama", 1), tiny_model("llama", 2)
    ids = token_ids(3)
    with torch.no_grad():
        target, logits = parent(ids).logits, average(ids).logits
    exact = kl_div(log_softmax(logits, -1), log_softmax(target, -1), reduction="none", log_target=True).sum(
        -1
    )
    whole = whole_divergence(target, logits)
    torch.testing.assert_close(whole, exact)
    last = torch.zeros_like(whole)
    for count in (1, 4, 16, 40, 99):
        tokens, targets = top_targets(parent, ids, count, 2)
        assert tokens.shape == (*ids.shape, min(count, target.shape[-1]))
        found = top_divergence(targets, tokens, logits)
        # Fewer outcomes tell models apart less well.
        assert (found >= last - 1e-5).all()
        assert (found <= exact + 1e-5).all()
        last = found
    torch.testing.assert_close(last, exact, rtol=1e-4, atol=1e-5)


MISTAKES = {
    "no price": ((), "give --price 0.03 0.1 0.3"),
    "negative": (("--price", "-1"), "--price -1.0: give 0 or more"),
    "falling": (("--price", "0.3", "0.1"), "--price 0.3 0.1: prices do not increase"),
    "level": (("--price", "1", "--mask_level", "column"), "mask_level 'column' is unknown"),
    "retain": (("--price", "1", "--retain_weight", "1"), "--retain_weight is for ratios of a fixed mean"),
    "search": (("--price", "1", "--optimizer", "search"), "--optimizer search is for a few ratios"),
    "start": (("--price", "1", "--start_ratio", "1"), "--start_ratio 1.0: give a number in (0, 1)"),
    "short": (("--price", "1", "--block_size", "1"), "--block_size 1: give 2 or more"),
    "coarse": (("--price", "1", "--mask_level", "block2"), "need --teacher_top_k"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gives_one_line(mistake: str, llama: Path) -> None:
    arguments, message = MISTAKES[mistake]
    with pytest.raises(UserError) as caught:
        _learn(llama, "mistake", "--mask_level", "element", *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (llama / "mistake" / "mask_alphas.json").exists()


def test_a_fixed_mean_has_no_levels_or_prices_of_free_ratios(llama: Path) -> None:
    for arguments, message in (
        (
            ("--mask_level", "row"),
            "--mask_level row is for free ratios: give --approach free_sigmoid with it",
        ),
        (("--price", "1"), "--price is for free ratios: give --approach free_sigmoid with it"),
        (("--targets", "soft"), "need --teacher_top_k"),
    ):
        with pytest.raises(UserError, match=message):
            call(optimize_masks.main, *optimize_arguments(llama, *arguments))


def test_soft_targets_serve_a_fixed_mean_too(llama: Path) -> None:
    soft = ("--targets", "soft", "--teacher_top_k", "64", "--retain_weight", "1")
    out = llama / "fixed"
    call(optimize_masks.main, *optimize_arguments(llama, "--output_dir", str(out), *soft))
    ratios = json.loads((out / "mask_alphas.json").read_text())["ratios"]
    assert sum(ratios.values()) / len(ratios) == pytest.approx(0.2)
    assert max(ratios.values()) - min(ratios.values()) > 1e-4


def test_what_a_merge_can_not_use_gives_one_line(llama: Path, tmp_path: Path) -> None:
    pair = open_pair(str(llama / "before"), str(llama / "after"), (None, None))
    shapes = {name: tensor.shape for name, tensor in pair[0].tensors.items()}
    good = {name: torch.full(shape, 0.5).half() for name, shape in shapes.items()}
    name = "model.layers.0.mlp.up_proj.weight"

    def refused(ratios: dict[str, Tensor], words: str, tail: str = "") -> None:
        shutil.rmtree(tmp_path / "ratios", ignore_errors=True)
        _save_ratios(tmp_path / "ratios", ratios)
        with pytest.raises(UserError) as caught:
            plan_merge(*pair, read_schedule(f"{tmp_path / 'ratios'}{tail}"))
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

    plan_merge(*pair, _schedule_of(tmp_path / "good", good))
    refused({key: good[key] for key in good if key != name}, f"they lack '{name}' of before")
    refused({**good, "extra": good[name].clone()}, "they have 'extra', which before lacks")
    refused({**good, name: torch.full((3, 3), 0.5).half()}, f"those of '{name}' have shape [3, 3]")
    refused(good, "holds no ratios of price 0.2: give one of 0.1", "@price=0.2")
    refused(good, "price 'cheap' is no number", "@price=cheap")
    refused(good, "choose one by --price, or @price=, not by a mean", "@0.3")
    (tmp_path / "ratios" / "mask_alphas.json").write_text('{"approach": "free_sigmoid"}')
    with pytest.raises(UserError, match="is no record of free ratios"):
        read_schedule(str(tmp_path / "ratios"))


def _schedule_of(folder: Path, ratios: dict[str, Tensor]) -> "object":
    _save_ratios(folder, ratios)
    return read_schedule(str(folder))


def test_experts_that_are_stored_apart_are_refused_before_they_are_learned(tmp_path: Path) -> None:
    scene = save_far_scene(tmp_path / "mixtral", "mixtral")
    with pytest.raises(UserError, match="is stored under other names"):
        _learn(scene, "free", "--mask_level", "row", "--price", "1")


def test_an_nn_linear_without_ratios_stays_before(llama: Path) -> None:
    model, free = _masked("llama", "row", Scope.LINEAR)
    before = tiny_model("llama", 1)
    assert "model.norm.weight" not in free.group_of
    assert isinstance(model.model.norm, nn.Module)
    assert torch.equal(model.model.norm.weight, before.model.norm.weight)
