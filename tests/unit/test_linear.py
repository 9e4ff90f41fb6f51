import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from ama.averaging.chunks import all_finite
from ama.averaging.methods.linear import mix as mix_into
from ama.averaging.plan import mixed_dtype

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
RATIOS = [1e-3, 0.1, 0.3, 0.5, 0.7, 0.999]


def values(seed: int, dtype: torch.dtype, count: int = 100_003) -> Tensor:
    """Numbers of very different sizes, zeros of both signs among them; more than one block of the code."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(count, generator=generator, dtype=torch.float64)
    numbers *= 10.0 ** torch.randint(-4, 4, (count,), generator=generator)
    numbers[::101] = 0.0
    numbers[::103] = -0.0
    return numbers.to(dtype)


def mix(before: Tensor, after: Tensor, ratio: float, dtype: torch.dtype | None = None) -> Tensor:
    out = torch.full_like(before, math.nan, dtype=dtype or mixed_dtype(before.dtype, after.dtype))
    mix_into(out, before, after, ratio)
    return out


def same_bits(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one.view(torch.uint8), other.view(torch.uint8))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_ratio_0_and_1_return_the_inputs_bit_for_bit(dtype: torch.dtype) -> None:
    before, after = values(1, dtype), values(2, dtype)
    before[:3] = after[3:6] = torch.tensor([math.nan, math.inf, -0.0], dtype=dtype)
    assert same_bits(mix(before, after, 1.0), before)
    assert same_bits(mix(before, after, 0.0), after)
    assert same_bits(mix(before, after, -0.0), after)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_model_with_itself_is_itself(dtype: torch.dtype, ratio: float) -> None:
    model = values(1, dtype)
    model[:3] = torch.tensor([math.nan, -math.inf, -0.0], dtype=dtype)
    assert same_bits(mix(model, model.clone(), ratio), model)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equal_values_stay_as_they_are_beside_others_that_differ(dtype: torch.dtype) -> None:
    before, after = values(1, dtype), values(2, dtype)
    before[1000:2000] = after[1000:2000]
    assert torch.equal(mix(before, after, 0.3)[1000:2000], after[1000:2000])


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
def test_as_exact_as_the_dtype_allows(dtype: torch.dtype, ratio: float) -> None:
    before, after = values(1, dtype), values(2, dtype)
    exact = ratio * before.double() + (1 - ratio) * after.double()
    spacing = torch.finfo(dtype).eps * torch.maximum(exact.abs(), torch.tensor(torch.finfo(dtype).tiny))
    # Half a unit in the last place is what one rounding costs; float32 inside adds next to nothing, save
    # where the inputs cancel: there its own error counts, relative to the inputs.
    slack = torch.finfo(torch.float32).eps * torch.maximum(before.double().abs(), after.double().abs())
    error = (mix(before, after, ratio).double() - exact).abs()
    assert bool((error <= 0.5 * spacing + 2 * slack).all())


def test_float32_is_rounded_once() -> None:
    before, after = values(1, torch.float32, 2000), values(2, torch.float32, 2000)
    # No short decimal: with those the exact result often lies half-way between two float32 numbers.
    ratio = 0.2718281828459045
    merged = mix(before, after, ratio)
    for one, other, result in zip(before.tolist(), after.tolist(), merged.tolist(), strict=True):
        exact = Fraction(ratio) * Fraction(one) + (1 - Fraction(ratio)) * Fraction(other)
        neighbours = torch.tensor([result]).nextafter(torch.tensor([-math.inf, math.inf])).tolist()
        assert all(abs(Fraction(result) - exact) <= abs(Fraction(near) - exact) for near in neighbours)


@pytest.mark.parametrize(
    ("before", "after", "result"),
    [
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float16, torch.bfloat16, torch.float32),
        (torch.float16, torch.float64, torch.float64),
    ],
    ids=str,
)
def test_mixed_dtypes_lose_nothing(before: torch.dtype, after: torch.dtype, result: torch.dtype) -> None:
    assert mixed_dtype(before, after) is mixed_dtype(after, before) is result
    first, second = values(1, before), values(2, after)
    exact = 0.25 * first.double() + 0.75 * second.double()
    assert torch.allclose(
        mix(first, second, 0.25), exact.to(result), rtol=torch.finfo(result).eps, atol=1e-11
    )


@pytest.mark.parametrize("wanted", DTYPES, ids=str)
def test_the_result_may_have_a_dtype_of_its_own(wanted: torch.dtype) -> None:
    first, second = values(1, torch.bfloat16), values(2, torch.bfloat16)
    exact = 0.5 * first.double() + 0.5 * second.double()
    assert torch.allclose(
        mix(first, second, 0.5, wanted).double(), exact, rtol=torch.finfo(wanted).eps, atol=1e-7
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_result_lies_between_the_inputs(dtype: torch.dtype) -> None:
    before, after = values(1, dtype), values(2, dtype)
    for ratio in RATIOS:
        merged = mix(before, after, ratio)
        assert bool((merged >= torch.minimum(before, after)).all())
        assert bool((merged <= torch.maximum(before, after)).all())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_is_not_finite_in_an_input_is_not_finite_in_the_result(dtype: torch.dtype) -> None:
    before, after = values(1, dtype), values(2, dtype)
    before[[10, 40_000, 100_000]] = torch.tensor([math.nan, math.inf, -math.inf], dtype=dtype)
    merged = mix(before, after, 0.3)
    assert (~merged.isfinite()).nonzero().flatten().tolist() == [10, 40_000, 100_000]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_all_finite_finds_a_single_bad_value(dtype: torch.dtype, bad: float) -> None:
    numbers = values(1, dtype, 5000)
    assert all_finite(numbers)
    for place in (0, 2500, 4999):
        numbers[place] = bad
        assert not all_finite(numbers)
        numbers[place] = 0
