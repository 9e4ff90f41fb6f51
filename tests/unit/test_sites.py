import pytest

from ama.averaging.sites import Part, find_sites
from ama.checkpoint.names import find_head, find_token_embedding, full_name, is_derived_buffer, is_token_table
from ama.errors import UserError

LLAMA = {
    "model.embed_tokens.weight": (64, 8),
    "model.layers.0.self_attn.q_proj.weight": (8, 8),
    "model.layers.0.self_attn.q_proj.bias": (8,),
    "model.layers.0.input_layernorm.weight": (8,),
    "model.layers.1.self_attn.q_proj.weight": (8, 8),
    "model.layers.1.mlp.experts.gate_up_proj": (4, 8, 16),
    "model.norm.weight": (8,),
    "lm_head.weight": (64, 8),
}


def without(*names: str) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in LLAMA.items() if name not in names}


def test_each_tensor_has_its_part_layer_and_kind() -> None:
    sites = find_sites(LLAMA, 2)
    assert list(sites) == list(LLAMA)
    assert [(site.part, site.layer, site.linear, site.tied) for site in sites.values()] == [
        (Part.EMBEDDING, None, False, False),
        (Part.LAYER, 0, True, False),
        (Part.LAYER, 0, True, False),
        (Part.LAYER, 0, False, False),
        (Part.LAYER, 1, True, False),
        (Part.LAYER, 1, True, False),
        (Part.FINAL_NORM, None, False, False),
        (Part.HEAD, None, True, False),
    ]


def test_module_is_the_name_without_its_last_word() -> None:
    sites = find_sites(LLAMA, 2)
    assert sites["model.layers.0.self_attn.q_proj.bias"].module == "model.layers.0.self_attn.q_proj"
    assert (
        sites["model.layers.1.mlp.experts.gate_up_proj"].module == "model.layers.1.mlp.experts.gate_up_proj"
    )


def test_without_a_head_the_token_table_is_tied_and_linear() -> None:
    table = find_sites(without("lm_head.weight"), 2)["model.embed_tokens.weight"]
    assert table.tied
    assert table.linear
    assert table.part is Part.EMBEDDING


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("transformer.wte.weight", Part.EMBEDDING),
        ("transformer.wpe.weight", Part.EMBEDDING),
        ("gpt_neox.embed_in.weight", Part.EMBEDDING),
        ("model.decoder.embed_positions.weight", Part.EMBEDDING),
        ("transformer.word_embeddings_layernorm.bias", Part.EMBEDDING),
        ("model.decoder.project_in.weight", Part.EMBEDDING),
        ("transformer.ln_f.weight", Part.FINAL_NORM),
        ("gpt_neox.final_layer_norm.bias", Part.FINAL_NORM),
        ("embed_out.weight", Part.HEAD),
        ("lm_head.bias", Part.HEAD),
        ("model.decoder.project_out.weight", Part.HEAD),
        ("score.weight", Part.HEAD),
    ],
)
def test_names_of_other_families(name: str, part: Part) -> None:
    sites = find_sites({name: (8, 8), "transformer.h.0.attn.c_attn.weight": (8, 24)}, 1)
    assert sites[name].part is part


def test_conv1d_and_its_bias_are_linear() -> None:
    shapes = {"transformer.h.0.attn.c_attn.weight": (8, 24), "transformer.h.0.attn.c_attn.bias": (24,)}
    assert all(site.linear for site in find_sites(shapes, 1).values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.layers.0.self_attn.rotary_emb.inv_freq", True),
        ("transformer.h.3.attn.bias", True),
        ("transformer.h.3.attn.masked_bias", True),
        ("gpt_neox.layers.0.attention.bias", True),
        ("transformer.h.3.attn.c_attn.bias", False),
        ("model.layers.0.self_attn.q_proj.bias", False),
    ],
)
def test_derived_buffers(name: str, expected: bool) -> None:
    assert is_derived_buffer(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.embed_tokens.weight", True),
        ("lm_head.bias", True),
        ("transformer.wpe.weight", False),
        ("model.layers.0.attention.output.weight", False),
        ("score.weight", False),
    ],
)
def test_token_tables(name: str, expected: bool) -> None:
    assert is_token_table(name) is expected


def test_token_embedding_and_head_are_found() -> None:
    assert find_token_embedding(LLAMA) == "model.embed_tokens.weight"
    assert find_head(LLAMA) == "lm_head.weight"
    assert find_head(without("lm_head.weight")) is None
    assert find_token_embedding(["transformer.wpe.weight"]) is None


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match=r"tensor 'visual\.patch' is neither in a layer nor a known"):
        find_sites({**LLAMA, "visual.patch": (3,)}, 2)


def test_two_stacks_are_refused() -> None:
    with pytest.raises(UserError, match=r"two stacks of layers, \['decoder.layers', 'encoder.layers'\]"):
        find_sites({"encoder.layers.0.fc.weight": (2, 2), "decoder.layers.0.fc.weight": (2, 2)}, 1)


@pytest.mark.parametrize(
    ("shapes", "num_layers", "found"),
    [
        (LLAMA, 3, "0 to 1 (2 of them)"),
        (LLAMA, 1, "0 to 1 (2 of them)"),
        (
            without("model.layers.1.self_attn.q_proj.weight", "model.layers.1.mlp.experts.gate_up_proj"),
            2,
            "0 to 0",
        ),
        ({**LLAMA, "model.layers.7.fc.weight": (2, 2)}, 3, "0 to 7 (3 of them)"),
        ({"lm_head.weight": (4, 4)}, 1, "none"),
        (LLAMA, 10**15, "0 to 1"),
    ],
)
def test_layers_must_be_those_that_the_configuration_states(
    shapes: dict[str, tuple[int, ...]], num_layers: int, found: str
) -> None:
    with pytest.raises(UserError) as caught:
        find_sites(shapes, num_layers)
    assert f"config.json states {num_layers} layers, but the weights hold layers {found}" in str(caught.value)


def test_an_absurdly_long_layer_number_is_no_layer() -> None:
    name = f"model.layers.{'9' * 5000}.fc.weight"
    with pytest.raises(UserError, match="neither in a layer"):
        find_sites({name: (2, 2)}, 1)


@pytest.mark.parametrize(
    ("stored", "full"),
    [
        ("h.0.attn.c_attn.weight", "transformer.h.0.attn.c_attn.weight"),
        ("wte.weight", "transformer.wte.weight"),
        ("word_embeddings_layernorm.bias", "transformer.word_embeddings_layernorm.bias"),
        ("decoder.layers.3.fc1.bias", "model.decoder.layers.3.fc1.bias"),
        ("transformer.h.0.ln_1.weight", "transformer.h.0.ln_1.weight"),
        ("model.decoder.layers.3.fc1.bias", "model.decoder.layers.3.fc1.bias"),
        ("lm_head.weight", "lm_head.weight"),
    ],
)
def test_a_name_without_the_base_models_word_is_completed(stored: str, full: str) -> None:
    assert full_name(stored) == full
