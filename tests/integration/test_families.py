"""Each model family: sites and merged logits, against what the live torch modules say."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny import scatter
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)
from transformers.pytorch_utils import Conv1D

from ama.averaging.plan import plan_merge
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.sites import Part, find_sites
from ama.averaging.stream import write_average
from ama.checkpoint.folder import read_checkpoint
from ama.checkpoint.resolve import open_pair
from ama.processes import MpiRanks
from ama.settings.merging import MergeSettings, Scope

SIZES = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4}
SIZES |= {"num_attention_heads": 2, "max_position_embeddings": 32}
GROUPED = {**SIZES, "num_key_value_heads": 1}
GEMMA = {**GROUPED, "head_dim": 8}
GPT2 = {"vocab_size": 40, "n_embd": 16, "n_layer": 4, "n_head": 2, "n_positions": 32}
OPT = {**{name: size for name, size in SIZES.items() if name != "intermediate_size"}, "ffn_dim": 24}

FAMILIES: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**GROUPED, attention_bias=True, tie_word_embeddings=False),
    "llama-tied": LlamaConfig(**GROUPED, tie_word_embeddings=True),
    "mistral": MistralConfig(**GROUPED, tie_word_embeddings=False),
    "mistral-tied": MistralConfig(**GROUPED, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**GROUPED, tie_word_embeddings=False),
    "qwen2-tied": Qwen2Config(**GROUPED, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**GEMMA, tie_word_embeddings=False),
    "qwen3-tied": Qwen3Config(**GEMMA, tie_word_embeddings=True),
    "gemma": GemmaConfig(**GEMMA),
    "gemma2": Gemma2Config(**GEMMA),
    "gemma3": Gemma3TextConfig(**GEMMA),
    "gpt2": GPT2Config(**GPT2, tie_word_embeddings=False),
    "gpt2-tied": GPT2Config(**GPT2),
    "gpt-neox": GPTNeoXConfig(**SIZES, tie_word_embeddings=False),
    "gpt-neox-tied": GPTNeoXConfig(**SIZES, tie_word_embeddings=True),
    "opt": OPTConfig(**OPT, word_embed_proj_dim=16, tie_word_embeddings=False),
    "opt-tied": OPTConfig(**OPT, word_embed_proj_dim=16),
    "opt-projected": OPTConfig(**OPT, word_embed_proj_dim=8),
    "opt-350m": OPTConfig(**OPT, word_embed_proj_dim=8, do_layer_norm_before=False),
    "mixtral": MixtralConfig(**GROUPED, num_local_experts=3, tie_word_embeddings=False),
    "mixtral-tied": MixtralConfig(**GROUPED, num_local_experts=3, tie_word_embeddings=True),
}
SCHEDULES = {
    "uniform": Schedule(0.3),
    "parts": Schedule(0.25, (0, 2), (0.9, 0.5, 0.1)),
    "parts-head-0": Schedule(0.25, (1,), (0.2, 0.8), lm_head=0.0),
    "linear": Schedule(0.25, (0, 2), (0.9, 0.5, 0.1), lm_head=0.7, scope=Scope.LINEAR),
}
TOKENS = torch.arange(24).view(2, 12)


@dataclass(frozen=True)
class LivePlace:
    """What the live model tells of one parameter."""

    part: Part
    layer: int | None
    linear: bool
    tied: bool
    module: str


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Pair":
    return Pair(FAMILIES[request.param], tmp_path_factory.mktemp(request.param))


class Pair:
    """Two random models of one family, live and saved."""

    def __init__(self, config: PreTrainedConfig, root: Path) -> None:
        self.live: list[PreTrainedModel] = []
        self.folders = [root / "before", root / "after"]
        for seed, folder in enumerate(self.folders):
            torch.manual_seed(seed)
            self.live.append(scatter(AutoModelForCausalLM.from_config(config), seed))
            self.live[-1].save_pretrained(folder)
        self.places = live_places(self.live[0])


def live_places(model: PreTrainedModel) -> dict[str, LivePlace]:
    """Place each parameter of a model by running it: what runs before, in and after the layers."""
    layers = next(
        module
        for module in model.modules()
        if isinstance(module, nn.ModuleList) and len(module) == model.config.num_hidden_layers
    )
    layer_of = {inner: index for index, layer in enumerate(layers) for inner in layer.modules()}
    started: list[nn.Module] = []
    hooks = [module.register_forward_pre_hook(lambda m, _: started.append(m)) for module in model.modules()]
    with torch.no_grad():
        model(TOKENS)
    for hook in hooks:
        hook.remove()
    first_layer = started.index(layers[0])
    places = {}
    for name, parameter in model.named_parameters():
        owners = {
            path: module
            for path, module in model.named_modules()
            for own in module.parameters(recurse=False)
            if own is parameter
        }
        linear = any(_is_linear(module) for module in owners.values())
        path, module = next(iter(owners.items()))
        if module in layer_of:
            part, layer = Part.LAYER, layer_of[module]
        else:
            last_part = Part.HEAD if linear else Part.FINAL_NORM
            part, layer = (Part.EMBEDDING if started.index(module) < first_layer else last_part), None
        places[name] = LivePlace(part, layer, linear, len(owners) > 1, path)
    return places


def _is_linear(module: nn.Module) -> bool:
    if isinstance(module, nn.Linear | Conv1D):
        return True
    kind = type(module).__name__
    assert isinstance(module, nn.Embedding) or kind.endswith(("Norm", "Experts", "Router")), kind
    return kind.endswith(("Experts", "Router"))


def _home(stored: Tensor, model: PreTrainedModel) -> str:
    """Return the live parameter that a stored tensor is, or is a part of (experts are fused when loaded)."""
    rows = stored.reshape(-1, stored.shape[-1])
    for name, parameter in model.named_parameters():
        if parameter.shape == stored.shape and torch.equal(parameter, stored):
            return name
        if parameter.ndim == 3 and parameter.shape[-1] == stored.shape[-1]:
            own = parameter.reshape(-1, stored.shape[-1])
            begins = (own == rows[0]).all(dim=1).nonzero().flatten().tolist()
            if any(torch.equal(own[start : start + len(rows)], rows) for start in begins):
                return name
    raise AssertionError("the live model has no such parameter")


def _expected_ratio(place: LivePlace, schedule: Schedule) -> float:
    """Apply the documented rules to a live module: a second, independent reading of them."""
    if schedule.scope is Scope.LINEAR and not place.linear:
        return 1.0
    head = schedule.ratio if schedule.lm_head is None else schedule.lm_head
    if place.tied and schedule.scope is Scope.LINEAR:
        return head
    if place.part in (Part.HEAD, Part.FINAL_NORM):
        return head if place.part is Part.HEAD else schedule.ratio
    if not schedule.pivots:
        return schedule.ratio
    layer = 0 if place.layer is None else place.layer
    return schedule.ratios[sum(layer > pivot for pivot in schedule.pivots)]


def test_sites_are_those_of_the_live_modules(pair: Pair) -> None:
    folder = pair.folders[0]
    checkpoint = read_checkpoint(folder, "before")
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    sites = find_sites(shapes, checkpoint.num_layers)
    stored = load_file(folder / "model.safetensors")
    assert sites.keys() == stored.keys()
    homes = {name: _home(tensor, pair.live[0]) for name, tensor in stored.items()}
    assert set(homes.values()) == set(pair.places)
    for name, site in sites.items():
        place = pair.places[homes[name]]
        found = (site.part, site.layer, site.linear, site.tied)
        assert found == (place.part, place.layer, place.linear, place.tied), name
        assert site.layer == _only(checkpoint.num_layers, name)
        if name == homes[name]:
            assert site.module == place.module


def _only(num_layers: int, name: str) -> int | None:
    """Return the layer's index as the first number in a stored name; experts' numbers come after it."""
    numbers = [int(word) for word in name.split(".") if word.isdigit()]
    assert all(number < num_layers for number in numbers[:1])
    return numbers[0] if numbers else None


@pytest.mark.parametrize("how", SCHEDULES)
def test_merged_logits_are_those_of_a_merge_in_memory(pair: Pair, how: str, tmp_path: Path) -> None:
    schedule = SCHEDULES[how]
    out = tmp_path / "merged"
    plan = plan_merge(*open_pair(*map(str, pair.folders), (None, None)), schedule)
    write_average(plan, out, MergeSettings(threads=2), MpiRanks())

    expected = AutoModelForCausalLM.from_config(pair.live[0].config).eval()
    with torch.no_grad():
        parents = (live.parameters() for live in pair.live)
        for (name, parameter), before, after in zip(expected.named_parameters(), *parents, strict=True):
            ratio = _expected_ratio(pair.places[name], schedule)
            parameter.copy_(ratio * before.double() + (1 - ratio) * after.double())
        merged = AutoModelForCausalLM.from_pretrained(out).eval()
        for (name, parameter), wanted in zip(merged.named_parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(parameter, wanted, rtol=2e-7, atol=1e-9, msg=name)
        logits = merged(TOKENS).logits
        torch.testing.assert_close(logits, expected(TOKENS).logits, rtol=1e-5, atol=1e-5)
        for live in pair.live:
            assert not torch.allclose(logits, live(TOKENS).logits, atol=1e-2)


@pytest.mark.parametrize(
    ("family", "prefix"),
    [("gpt2-tied", "transformer."), ("bloom", "transformer."), ("opt-projected", "model.")],
)
@pytest.mark.parametrize("side", [0, 1])
def test_names_without_the_base_models_word_are_understood(
    family: str, prefix: str, side: int, tmp_path: Path
) -> None:
    bloom = BloomConfig(vocab_size=40, hidden_size=16, n_layer=4, n_head=2)
    pair = Pair({**FAMILIES, "bloom": bloom}[family], tmp_path)
    results = []
    for number in range(2):
        out = tmp_path / f"out{number}"
        plan = plan_merge(*open_pair(*map(str, pair.folders), (None, None)), SCHEDULES["parts"])
        write_average(plan, out, MergeSettings(threads=1), MpiRanks())
        results.append((out / "model.safetensors").read_bytes())
        path = pair.folders[side] / "model.safetensors"
        stored = {name.removeprefix(prefix): tensor for name, tensor in load_file(path).items()}
        assert not any(name.startswith(prefix) for name in stored)
        save_file(stored, path)
    assert results[0] == results[1]
