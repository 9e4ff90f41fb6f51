"""Mask levels: borders, what shares a ratio, what is refused."""

import re

import pytest

from ama.averaging.sites import Site, find_sites
from ama.errors import UserError
from ama.ratios.parameter_blocks import block_pivots, parameter_blocks
from ama.ratios.penalty import penalty_weights
from ama.settings.merging import Scope
from ama.settings.ratios import Penalty


def _sites(layers: int, *, tied: bool = False) -> dict[str, Site]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (9, 4), "model.norm.weight": (4,)}
    for layer in range(layers):
        shapes |= {
            f"model.layers.{layer}.{name}.weight": (4, 4) for name in ("self_attn.q_proj", "mlp.up_proj")
        }
        shapes[f"model.layers.{layer}.input_layernorm.weight"] = (4,)
    if not tied:
        shapes["lm_head.weight"] = (9, 4)
    return find_sites(shapes, layers)


@pytest.mark.parametrize(
    ("layers", "count", "pivots"),
    [(26, 3, (7, 16)), (30, 3, (9, 19)), (32, 3, (9, 20)), (26, 1, ()), (4, 4, (0, 1, 2))],
)
def test_borders(layers: int, count: int, pivots: tuple[int, ...]) -> None:
    assert block_pivots(layers, count) == pivots


def test_sizes_of_the_paper() -> None:
    blocks = parameter_blocks("block3", _sites(26), 26, Scope.LINEAR)
    assert [len(layers) for layers in blocks.linears] == [16, 18, 18]


@pytest.mark.parametrize(
    ("level", "scope", "count", "head"),
    [
        ("block3", Scope.LINEAR, 3, None),
        ("lblock3", Scope.LINEAR, 4, 3),
        ("layerwise", Scope.LINEAR, 6, None),
        ("linearwise", Scope.LINEAR, 12, None),
        ("linearwise", Scope.ALL, 18, None),
    ],
)
@pytest.mark.parametrize("tied", [False, True])
def test_levels(level: str, scope: Scope, count: int, head: int | None, tied: bool) -> None:
    blocks = parameter_blocks(level, _sites(6, tied=tied), 6, scope)
    assert len(blocks.labels) == len(blocks.linears) == count
    assert blocks.index.get("model.embed_tokens.weight" if tied else "lm_head.weight") == head
    assert set(blocks.index.values()) == set(range(count))


def test_scope_all_puts_embeddings_with_the_first_block() -> None:
    blocks = parameter_blocks("block3", _sites(6), 6, Scope.ALL)
    assert blocks.index["model.embed_tokens.weight"] == 0
    assert blocks.index["model.layers.5.input_layernorm.weight"] == 2
    assert "model.norm.weight" not in blocks.index


def test_pivots_in_place_of_equal_blocks() -> None:
    blocks = parameter_blocks("block3", _sites(6), 6, Scope.LINEAR, (0, 4))
    assert blocks.linears == ((0, 0), (1, 1, 2, 2, 3, 3, 4, 4), (5, 5))


@pytest.mark.parametrize(
    ("level", "pivots", "message"),
    [
        ("block", (), "mask_level 'block' is unknown: give block3 "),
        ("block0", (), "mask_level 'block0' is unknown"),
        ("block7", (), "7 blocks do not fit a model of 6 layers: choose 6 at most"),
        ("block3", (2, 5), "pivot 5 leaves no layer for the last block"),
        ("block3", (2,), "--pivots 2 does not fit mask_level block3"),
        ("block3", (3, 2), "pivots 3#2 do not increase"),
        ("layerwise", (2, 3), "--pivots 2#3 does not fit mask_level layerwise"),
        ("linearwise", (2, 3), "--pivots divides layers into blocks"),
    ],
)
def test_refused(level: str, pivots: tuple[int, ...], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        parameter_blocks(level, _sites(6), 6, Scope.LINEAR, pivots)


def test_penalty_is_the_released_one_at_26_layers() -> None:
    every_layer = [[layer] for layer in range(26)]
    weights = penalty_weights(Penalty.ABSOLUTE_WEIGHTED, every_layer, 26)
    assert weights.tolist() == pytest.approx([25 / (abs(layer - 13) + 1) for layer in range(26)])
    assert penalty_weights(Penalty.SQUARED, [[0, 1], [2]], 26).tolist() == [2, 1]
