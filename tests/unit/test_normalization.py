"""The formulas of learned ratios: their mean, their bounds, their gradients."""

import pytest
import torch

from ama.averaging.schedules.normalization import initial_raw, normalized_ratios, shifted_ratios

RAW = [torch.tensor(values, dtype=torch.float64) for values in ([0.3, -2.0, 1.0], [9.0, -9.0], [5.0] * 30)]


@pytest.mark.parametrize("mean", [0.01, 0.2, 0.7, 0.99])
@pytest.mark.parametrize("raw", RAW, ids=len)
def test_mean_is_kept(raw: torch.Tensor, mean: float) -> None:
    assert float(normalized_ratios(raw, mean, 0.2).mean()) == pytest.approx(mean, abs=1e-12)
    shifted = shifted_ratios(raw, mean)
    assert float(shifted.mean()) == pytest.approx(mean, abs=1e-12)
    assert 0 < float(shifted.min()) <= float(shifted.max()) < 1


def test_normalized_by_hand() -> None:
    raw = torch.tensor([0.0, 100.0])
    expected = 0.2 * 2 * torch.tensor([0.5 + 0.1, 1.1]) / 1.7
    assert torch.allclose(normalized_ratios(raw, 0.2, 0.1), expected)


def test_normalized_bound() -> None:
    ratios = normalized_ratios(torch.tensor([50.0, -50.0, -50.0]).double(), 0.45, 0.2)
    assert float(ratios[0]) == pytest.approx(0.45 * 3 * 1.2 / 1.6)
    assert float(ratios[0]) > 1


@pytest.mark.parametrize("mean", [0.05, 0.2, 0.6])
def test_start_is_the_mean(mean: float) -> None:
    raw = initial_raw(5, mean)
    assert raw.dtype == torch.float32
    for ratios in (normalized_ratios(raw, mean, 0.3), shifted_ratios(raw, mean)):
        assert torch.allclose(ratios, torch.full((5,), mean), atol=1e-7)


def test_shift_is_the_same_for_shifted_raws() -> None:
    assert torch.allclose(shifted_ratios(RAW[0], 0.3), shifted_ratios(RAW[0] + 7, 0.3))


@pytest.mark.parametrize("raw", [RAW[0], RAW[2] * torch.linspace(-1, 1, 30)], ids=len)
def test_gradients(raw: torch.Tensor) -> None:
    raw = raw.requires_grad_()
    assert torch.autograd.gradcheck(lambda r: shifted_ratios(r, 0.3), raw)
    assert torch.autograd.gradcheck(lambda r: normalized_ratios(r, 0.3, 0.1), raw)
