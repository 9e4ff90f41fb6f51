"""Spherical interpolation against its definition, in two passes over chunks."""

import math
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from support.tiny import make_pair
from torch import Tensor

from ama.averaging import chunks
from ama.averaging.average import average
from ama.averaging.methods.slerp import METHOD, mix, sums

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def slerp(before: Tensor, after: Tensor, ratio: float) -> Tensor:
    """Interpolate whole tensors in float64, by the textbook."""
    first, second = before.double().flatten(), after.double().flatten()
    angle = torch.arccos(first @ second / first.norm() / second.norm())
    weights = torch.sin(ratio * angle) / torch.sin(angle), torch.sin((1 - ratio) * angle) / torch.sin(angle)
    return (weights[0] * first + weights[1] * second).view(before.shape)


def mixed(before: Tensor, after: Tensor, ratio: float) -> Tensor:
    out = torch.full_like(before, math.nan)
    mix(out, before, after, ratio, sums(before, after))
    return out


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.8])
def test_the_definition(dtype: torch.dtype, ratio: float) -> None:
    generator = torch.Generator().manual_seed(0)
    before, after = (torch.randn(50_001, generator=generator).to(dtype) for _ in range(2))
    expected = slerp(before, after, ratio)
    eps = max(torch.finfo(dtype).eps, 1e-12)
    torch.testing.assert_close(mixed(before, after, ratio).double(), expected, rtol=eps, atol=eps)


def test_between_equal_norms_the_norm_stays() -> None:
    before = torch.tensor([2.0, 0.0], dtype=torch.float64)
    after = torch.tensor([0.0, 2.0], dtype=torch.float64)
    third = mixed(before, after, 1 / 3)
    assert third.tolist() == pytest.approx([2 * math.sin(math.pi / 6), 2 * math.cos(math.pi / 6)])


def test_arc_and_chord_meet_where_the_angle_is_tiny() -> None:
    generator = torch.Generator().manual_seed(0)
    before, noise = (torch.randn(10_000, dtype=torch.float64, generator=generator) for _ in range(2))
    for step in (3e-4, 1.1e-4, 0.9e-4, 1e-6):
        after = before + step * noise
        linear = 0.3 * before + 0.7 * after
        torch.testing.assert_close(mixed(before, after, 0.3), linear, rtol=6e-8, atol=1e-9)


@pytest.mark.parametrize("other", [0.0, -1.0, 2.0])
def test_what_has_no_arc_is_averaged_linearly(other: float) -> None:
    before = torch.linspace(-1, 1, 1000, dtype=torch.float64)
    after = other * before
    torch.testing.assert_close(mixed(before, after, 0.25), 0.25 * before + 0.75 * after)


def test_ratio_0_and_1_copy() -> None:
    before, after = torch.tensor([math.nan, -0.0, 1.0]), torch.tensor([2.0, math.inf, 3.0])
    for ratio, parent in ((0.0, after), (1.0, before)):
        out = torch.empty(3)
        mix(out, before, after, ratio, None)
        assert torch.equal(out.view(torch.int32), parent.view(torch.int32))


def test_streamed_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = make_pair(tmp_path)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1000)
    average(before, after, tmp_path / "out", ratio=0.3, method="slerp")
    states = [load_file(folder / "model.safetensors") for folder in (before, after, tmp_path / "out")]
    for name, merged in states[2].items():
        expected = slerp(states[0][name], states[1][name], 0.3).float()
        torch.testing.assert_close(merged, expected, rtol=2e-7, atol=1e-8)


def test_card_record_and_recipe(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    out = tmp_path / "out"
    average(*pair, out, schedule="slerp:split0|0|0.4|0.1@0.2")
    assert METHOD.formula in (out / "README.md").read_text()
    assert "Schedule `slerp:split0|0|0.4|0.1`" in (out / "README.md").read_text()
    recipe = yaml.safe_load((out / "mergekit.yaml").read_text())
    assert (recipe["merge_method"], recipe["base_model"]) == ("slerp", str(pair[1]))
    assert {entry["filter"]: entry["value"] for entry in recipe["parameters"]["t"]} == {
        "model.embed_tokens.weight": 0.4,
        "model.layers.0.": 0.4,
        **dict.fromkeys((f"model.layers.{layer}." for layer in (1, 2, 3)), 0.1),
        "model.norm.weight": 0.2,
        "lm_head.weight": 0.0,
    }
