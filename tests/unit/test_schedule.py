import pytest

from ama.averaging.schedules.schedule import ONLY_BEFORE, Schedule
from ama.averaging.sites import Part, Site
from ama.errors import UserError
from ama.settings.merging import Scope

EMBEDDING = Site("model.embed_tokens.weight", Part.EMBEDDING, None, linear=False)
TIED = Site("model.embed_tokens.weight", Part.EMBEDDING, None, linear=True, tied=True)
NORM = Site("model.norm.weight", Part.FINAL_NORM, None, linear=False)
HEAD = Site("lm_head.weight", Part.HEAD, None, linear=True)
PARTWISE = Schedule(0.1, (10, 20), (0.4, 0.3, 0.2))


def projection(layer: int, name: str = "self_attn.q_proj") -> Site:
    return Site(f"model.layers.{layer}.{name}.weight", Part.LAYER, layer, linear=True)


def layer_norm(layer: int) -> Site:
    return Site(f"model.layers.{layer}.input_layernorm.weight", Part.LAYER, layer, linear=False)


@pytest.mark.parametrize("site", [EMBEDDING, TIED, NORM, HEAD, projection(0), layer_norm(31)])
def test_plain_averaging_has_one_ratio(site: Site) -> None:
    assert Schedule(0.3).ratio_at(site) == 0.3
    assert Schedule(0.3).is_uniform


@pytest.mark.parametrize(
    ("layer", "ratio"), [(0, 0.4), (9, 0.4), (10, 0.4), (11, 0.3), (20, 0.3), (21, 0.2), (31, 0.2)]
)
def test_pivots_are_included_in_their_block(layer: int, ratio: float) -> None:
    assert PARTWISE.ratio_at(projection(layer)) == ratio
    assert PARTWISE.ratio_at(layer_norm(layer)) == ratio


def test_embeddings_go_with_the_first_block_and_norm_and_head_take_alpha() -> None:
    assert PARTWISE.ratio_at(EMBEDDING) == 0.4
    assert PARTWISE.ratio_at(TIED) == 0.4
    assert PARTWISE.ratio_at(NORM) == 0.1
    assert PARTWISE.ratio_at(HEAD) == 0.1


def test_a_ratio_of_its_own_for_the_head() -> None:
    schedule = Schedule(0.1, (10, 20), (0.4, 0.3, 0.2), lm_head=0.0)
    assert schedule.ratio_at(HEAD) == 0.0
    assert schedule.ratio_at(NORM) == 0.1
    assert not Schedule(0.1, lm_head=0.0).is_uniform
    assert Schedule(0.1, lm_head=0.1).is_uniform


def test_linear_scope_takes_the_rest_from_before_and_the_tied_table_as_head() -> None:
    schedule = Schedule(0.1, (10, 20), (0.4, 0.3, 0.2), lm_head=0.6, scope=Scope.LINEAR)
    assert [schedule.ratio_at(site) for site in (EMBEDDING, NORM, layer_norm(3))] == [ONLY_BEFORE] * 3
    assert schedule.ratio_at(projection(3)) == 0.4
    assert schedule.ratio_at(HEAD) == 0.6
    assert schedule.ratio_at(TIED) == 0.6


def test_the_last_pattern_that_matches_decides() -> None:
    modules = {"*.mlp.*": 0.4, "*.mlp.down_proj": 0.5, "model.layers.0.*": 0.1, "lm_head": 0.9}
    schedule = Schedule(0.3, modules=modules)
    assert schedule.ratio_at(projection(1, "mlp.up_proj")) == 0.4
    assert schedule.ratio_at(projection(1, "mlp.down_proj")) == 0.5
    assert schedule.ratio_at(projection(0, "mlp.down_proj")) == 0.1
    assert schedule.ratio_at(projection(1)) == 0.3
    assert schedule.ratio_at(HEAD) == 0.9
    assert not schedule.is_uniform


def test_patterns_are_case_sensitive_and_match_whole_names() -> None:
    schedule = Schedule(0.3, modules={"*.MLP.*": 0.4, "mlp": 0.5})
    assert schedule.ratio_at(projection(1, "mlp.up_proj")) == 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ratio": 1.5}, "ratio 1.5 lies outside"),
        ({"ratio": -0.1}, "ratio -0.1 lies outside"),
        ({"ratio": float("nan")}, "ratio nan lies outside"),
        ({"ratio": 0.3, "lm_head": 2.0}, "ratio 2.0 lies outside"),
        ({"ratio": 0.3, "modules": {"a": -1.0}}, "ratio -1.0 lies outside"),
        ({"ratio": 0.3, "pivots": (1,), "ratios": (0.1, 7.0)}, "ratio 7.0 lies outside"),
        ({"ratio": 0.3, "pivots": (1, 2), "ratios": (0.1, 0.2)}, "2 pivots make 3 blocks, but 2 ratios"),
        ({"ratio": 0.3, "ratios": (0.1, 0.2)}, "0 pivots make 1 blocks, but 2 ratios"),
        ({"ratio": 0.3, "pivots": (2, 1), "ratios": (0.1, 0.2, 0.3)}, "pivots 2#1 do not increase"),
        ({"ratio": 0.3, "pivots": (2, 2), "ratios": (0.1, 0.2, 0.3)}, "pivots 2#2 do not increase"),
    ],
)
def test_numbers_that_contradict_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Schedule(**arguments)


def test_the_last_block_must_keep_a_layer() -> None:
    PARTWISE.check_depth(22)
    Schedule(0.3).check_depth(1)
    with pytest.raises(
        UserError, match=r"pivot 20 leaves no layer for the last block.*layers are 0 to 20.*19 at most"
    ):
        PARTWISE.check_depth(21)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_the_ends_of_the_interval_are_allowed(ratio: float) -> None:
    assert Schedule(ratio).ratio_at(HEAD) == ratio
