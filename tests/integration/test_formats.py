"""What a merge reads and writes: file formats, ties, vocabularies, dtypes, the files beside the weights."""

import itertools
import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
import xxhash
import yaml
from huggingface_hub import ModelCard
from support.command import interpolate, refusal
from support.tiny import load, make_bin, make_llama, make_pair, make_tokenizer, rewrite
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

import ama
from ama.errors import UserError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"
TOKENS = torch.arange(20).view(2, 10)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("pair"))


def copy_of(folder: Path, to: Path) -> Path:
    return shutil.copytree(folder, to)


def config_of(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "config.json").read_text()))


def logits(folder: Path) -> Tensor:
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder).eval()(TOKENS).logits


def mixed(before: Tensor, after: Tensor, ratio: float) -> Tensor:
    return (ratio * before.double() + (1 - ratio) * after.double()).to(before.dtype)


# --- file formats


def _as_safetensors(folder: Path) -> None:
    assert [path.name for path in folder.glob("model*.safetensors*")] == ["model.safetensors"]


def _as_safetensors_shards(folder: Path) -> None:
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size="20KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    assert len(list(folder.glob("model-*.safetensors"))) > 2


def _as_bin(folder: Path) -> None:
    make_bin(folder, load(folder))


def _as_bin_shards(folder: Path) -> None:
    make_bin(folder, load(folder), shards=3)


FORMATS: tuple[Callable[[Path], None], ...] = (
    _as_safetensors,
    _as_safetensors_shards,
    _as_bin,
    _as_bin_shards,
)


def test_every_pair_of_file_formats_gives_the_same_bytes(pair: tuple[Path, Path], tmp_path: Path) -> None:
    variants: list[list[Path]] = []
    for folder in pair:
        variants.append([copy_of(folder, tmp_path / f"{folder.name}{form.__name__}") for form in FORMATS])
        for variant, form in zip(variants[-1], FORMATS, strict=True):
            form(variant)
    results = set()
    for number, (before, after) in enumerate(itertools.product(*variants)):
        out = interpolate(before, after, tmp_path / f"out{number}", "--alpha", "0.3")
        record = json.loads((out / "ama_merge.json").read_text())
        prints = tuple(record[key]["xxh3_128"] for key in ("before", "after", "merged"))
        results.add(((out / "model.safetensors").read_bytes(), prints))
    assert number == 15
    assert len(results) == 1


def test_bin_tensors_that_are_views_of_one_storage_are_read(pair: tuple[Path, Path], tmp_path: Path) -> None:
    before = copy_of(pair[0], tmp_path / "before")
    tensors = load(before)
    together = torch.cat([tensor.flatten() for tensor in tensors.values()])
    pieces = together.split([tensor.numel() for tensor in tensors.values()])
    make_bin(
        before, {name: piece.view(tensors[name].shape) for name, piece in zip(tensors, pieces, strict=True)}
    )
    merged = interpolate(before, pair[1], tmp_path / "views", "--alpha", "0.3")
    plain = interpolate(*pair, tmp_path / "plain", "--alpha", "0.3")
    assert (merged / "model.safetensors").read_bytes() == (plain / "model.safetensors").read_bytes()


@pytest.mark.parametrize("side", [0, 1])
def test_constants_of_old_checkpoints_are_left_out(
    pair: tuple[Path, Path], side: int, tmp_path: Path
) -> None:
    folders = [copy_of(folder, tmp_path / folder.name) for folder in pair]
    extra = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),
        "model.rotary_emb.inv_freq": torch.ones(4),
        "model.layers.1.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.bool),
        "model.layers.1.attn.masked_bias": torch.tensor(-1e4),
        "model.layers.1.attention.bias": torch.ones(1, 1, 8, 8, dtype=torch.uint8),
    }
    rewrite(folders[side], {**load(folders[side]), **extra})
    out = interpolate(*folders, tmp_path / "out", "--alpha", "0.3")
    plain = interpolate(*pair, tmp_path / "plain", "--alpha", "0.3")
    assert (out / "model.safetensors").read_bytes() == (plain / "model.safetensors").read_bytes()


@pytest.mark.parametrize("size", ["1B", "5KB", "20KiB", "0.03MB"])
def test_shards_are_no_larger_than_asked_and_load(pair: tuple[Path, Path], size: str, tmp_path: Path) -> None:
    out = interpolate(*pair, tmp_path / "out", "--alpha", "0.3", "--max_shard_size", size)
    limit = {"1B": 1, "5KB": 5000, "20KiB": 20480, "0.03MB": 30000}[size]
    index = json.loads((out / "model.safetensors.index.json").read_text())
    files = sorted(path.name for path in out.glob("*.safetensors"))
    assert files == sorted(set(index["weight_map"].values()))
    sizes = {name: tensor.nbytes for name, tensor in load(out).items()}
    assert index["metadata"]["total_size"] == sum(sizes.values())
    for file in files:
        inside = [sizes[name] for name, place in index["weight_map"].items() if place == file]
        assert sum(inside) <= limit or len(inside) == 1
    plain = interpolate(*pair, tmp_path / "plain", "--alpha", "0.3")
    assert torch.equal(logits(out), logits(plain))


# --- tied embeddings


def _tied(folder: Path, seed: int, kind: str) -> Path:
    """Save one tied Llama: head left out, stored twice, stored twice without the setting, or changed."""
    make_llama(folder, seed, tie_word_embeddings=True)
    tensors = load(folder)
    assert HEAD not in tensors
    if kind == "twice":
        rewrite(folder, {**tensors, HEAD: tensors[TABLE].clone()})
    if kind == "twice, no setting":
        rewrite(folder, {**tensors, HEAD: tensors[TABLE].clone()}, tie_word_embeddings=None)
    if kind == "twice in one storage":
        make_bin(folder, {**tensors, HEAD: tensors[TABLE]})
    return folder


TIED = ("once", "twice", "twice, no setting", "twice in one storage")


@pytest.mark.parametrize("kinds", itertools.product(TIED, TIED), ids=" - ".join)
def test_a_tied_head_may_be_stored_in_any_way(kinds: tuple[str, str], tmp_path: Path) -> None:
    before, after = (_tied(tmp_path / str(seed), seed, kind) for seed, kind in enumerate(kinds))
    tag = "split|1|0.9|0.2"
    out = interpolate(before, after, tmp_path / "out", "--alpha", "0.3", "--schedule", tag)
    merged = load(out)
    assert HEAD not in merged
    assert config_of(out)["tie_word_embeddings"] is True
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(model.lm_head.weight, merged[TABLE])


@pytest.mark.parametrize("untied", [0, 1])
@pytest.mark.parametrize("kind", TIED)
def test_a_head_untied_on_one_side_is_averaged_with_the_others_table(
    untied: int, kind: str, tmp_path: Path
) -> None:
    folders = [tmp_path / "before", tmp_path / "after"]
    make_llama(folders[untied], 1, tie_word_embeddings=False)
    _tied(folders[1 - untied], 2, kind)
    table = AutoModelForCausalLM.from_pretrained(folders[1 - untied]).model.embed_tokens.weight.detach()
    own = load(folders[untied])
    heads, tables = [own[HEAD], table], [own[TABLE], table]
    if untied:
        heads, tables = heads[::-1], tables[::-1]
    tag = "split|1|0.9|0.2"
    out = interpolate(*folders, tmp_path / "out", "--alpha", "0.3", "--schedule", tag)
    merged = load(out)
    torch.testing.assert_close(merged[HEAD], mixed(*heads, 0.3), rtol=2e-7, atol=1e-9)
    torch.testing.assert_close(merged[TABLE], mixed(*tables, 0.9), rtol=2e-7, atol=1e-9)
    assert config_of(out)["tie_word_embeddings"] is False
    assert torch.equal(AutoModelForCausalLM.from_pretrained(out).lm_head.weight, merged[HEAD])
    assert not (out / "mergekit.yaml").exists()


def test_a_head_that_the_setting_calls_tied_but_differs_stays_a_head(tmp_path: Path) -> None:
    before = _tied(tmp_path / "before", 1, "once")
    after = _tied(tmp_path / "after", 2, "once")
    tensors = load(after)
    head = tensors[TABLE] + 1
    rewrite(after, {**tensors, HEAD: head})
    out = interpolate(before, after, tmp_path / "out", "--alpha", "0.3")
    torch.testing.assert_close(load(out)[HEAD], mixed(load(before)[TABLE], head, 0.3), rtol=2e-7, atol=1e-9)
    assert config_of(out)["tie_word_embeddings"] is False


# --- vocabularies


@pytest.mark.parametrize("larger", [0, 1])
@pytest.mark.parametrize("tie", [False, True])
def test_vocabularies_of_two_sizes(larger: int, tie: bool, tmp_path: Path) -> None:
    folders = [tmp_path / "before", tmp_path / "after"]
    for side, folder in enumerate(folders):
        make_llama(folder, side, vocab_size=70 if side == larger else 64, tie_word_embeddings=tie)
    message = refusal(*folders, tmp_path / "out", "--alpha", "0.3")
    assert f"{64 if larger else 70} rows in {folders[0]}, {70 if larger else 64} in {folders[1]}" in message
    assert "--vocab_mismatch keep_extra" in message

    out = interpolate(*folders, tmp_path / "out", "--alpha", "0.3", "--vocab_mismatch", "keep_extra")
    before, after, merged = (load(folder) for folder in (*folders, out))
    for name in (TABLE,) if tie else (TABLE, HEAD):
        common = mixed(before[name][:64], after[name][:64], 0.3)
        torch.testing.assert_close(merged[name][:64], common, rtol=2e-7, atol=1e-9)
        assert torch.equal(merged[name][64:], (before, after)[larger][name][64:])
    assert config_of(out)["vocab_size"] == 70
    assert not (out / "mergekit.yaml").exists()
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model(torch.tensor([[69]])).logits.shape[-1] == 70
    assert torch.equal(model.model.embed_tokens.weight, merged[TABLE])


def test_only_token_rows_may_differ(tmp_path: Path) -> None:
    before = make_llama(tmp_path / "before", 1)
    after = make_llama(tmp_path / "after", 2, intermediate_size=40)
    message = refusal(before, after, tmp_path / "out", "--alpha", "0.3", "--vocab_mismatch", "keep_extra")
    assert "only checkpoints of one architecture" in message


# --- dtypes


@pytest.mark.parametrize("dtypes", itertools.product(DTYPES, DTYPES), ids="-".join)
def test_the_result_holds_both_dtypes_or_has_the_one_asked_for(
    dtypes: tuple[str, str], tmp_path: Path
) -> None:
    folders = [tmp_path / "before", tmp_path / "after"]
    for seed, (folder, dtype) in enumerate(zip(folders, dtypes, strict=True)):
        make_llama(folder, seed, DTYPES[dtype])
    inputs = [load(folder) for folder in folders]
    promoted = dtypes[0] if dtypes[0] == dtypes[1] else "float32"
    for asked in (None, *DTYPES):
        dtype = asked or promoted
        options = ["--dtype", asked] if asked else []
        out = interpolate(*folders, tmp_path / f"out-{asked}", "--alpha", "0.3", *options)
        for name, tensor in load(out).items():
            assert tensor.dtype == DTYPES[dtype]
            error = _steps_off(tensor, inputs[0][name], inputs[1][name], 0.3)
            assert error.max() <= 1, name
        assert config_of(out)["dtype"] == dtype
        assert AutoModelForCausalLM.from_pretrained(out, dtype="auto").dtype == DTYPES[dtype]
        for ratio, source in (("1", inputs[0]), ("0", inputs[1])):
            end = load(interpolate(*folders, tmp_path / f"end{ratio}-{asked}", "--alpha", ratio, *options))
            assert all(torch.equal(end[name], tensor.to(DTYPES[dtype])) for name, tensor in source.items())


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("side", [0, 1])
def test_float8_is_refused(pair: tuple[Path, Path], side: int, dtype: torch.dtype, tmp_path: Path) -> None:
    folders = [copy_of(folder, tmp_path / folder.name) for folder in pair]
    name = "model.layers.0.mlp.up_proj.weight"
    tensors = load(folders[side])
    rewrite(folders[side], {**tensors, name: tensors[name].to(dtype)})
    message = refusal(*folders, tmp_path / "out", "--alpha", "0.3")
    assert name in message
    assert str(dtype).removeprefix("torch.") in message
    assert str(folders[side]) in message


def test_whole_numbers_come_from_before_and_scalars_are_averaged(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [copy_of(folder, tmp_path / folder.name) for folder in pair]
    for value, folder in enumerate(folders):
        extra = {
            "model.layers.0.mlp.steps": torch.tensor([value, 7]),
            "model.layers.0.mlp.mask": torch.tensor([bool(value)]),
            "model.layers.0.mlp.scale": torch.tensor(float(value)),
        }
        rewrite(folder, {**load(folder), **extra})
    merged = load(interpolate(*folders, tmp_path / "out", "--alpha", "0.25"))
    assert merged["model.layers.0.mlp.steps"].tolist() == [0, 7]
    assert merged["model.layers.0.mlp.mask"].tolist() == [False]
    assert merged["model.layers.0.mlp.scale"].item() == 0.75
    said = capsys.readouterr().err
    assert "'model.layers.0.mlp.steps' holds whole numbers: taken from before" in said
    assert "'model.layers.0.mlp.mask' holds whole numbers: taken from before" in said


# --- numbers


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_averaged_with_itself_is_itself(dtype: str, tmp_path: Path) -> None:
    before, after = (make_llama(tmp_path / side, 1, DTYPES[dtype]) for side in ("before", "after"))
    source = load(before)
    for ratio in ("0", "1", "0.3", "0.5", "1e-9", "0.999"):
        merged = load(interpolate(before, after, tmp_path / ratio, "--alpha", ratio))
        assert all(_same_bits(merged[name], tensor) for name, tensor in source.items()), ratio


@pytest.fixture(scope="module", params=DTYPES)
def sampled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp(request.param)
    return [_with_sample(root / side, values) for side, values in _samples(DTYPES[request.param]).items()]


def test_ratio_0_and_1_return_an_input_bit_for_bit(sampled: list[Path], tmp_path: Path) -> None:
    for ratio, source in ((1, load(sampled[0])), (0, load(sampled[1]))):
        merged = load(interpolate(*sampled, tmp_path / str(ratio), "--alpha", str(ratio)))
        assert merged.keys() == source.keys()
        assert all(_same_bits(merged[name], tensor) for name, tensor in source.items())


def test_every_value_lies_within_one_step_of_the_exact_mix(sampled: list[Path], tmp_path: Path) -> None:
    before, after = (load(folder)[SAMPLE] for folder in sampled)
    for ratio in (0.3, 0.5, 1 / 3, 0.97, 1e-3):
        merged = load(interpolate(*sampled, tmp_path / str(ratio), "--alpha", repr(ratio)))[SAMPLE]
        assert merged.dtype == before.dtype
        steps = _steps_off(merged, before, after, ratio)
        assert steps.max() <= 1
        # Without cancellation the result is the nearest value, or as near as float32 can tell.
        assert steps[before.double() * after.double() >= 0].max() <= 0.51


SAMPLE = "model.layers.1.mlp.up_proj.weight"


def _with_sample(folder: Path, values: Tensor) -> Path:
    """Save a Llama of one dtype whose tensor SAMPLE holds `values`, shape (n, 64)."""
    make_llama(folder, 1, values.dtype)
    rewrite(folder, {**load(folder), SAMPLE: values}, intermediate_size=len(values))
    return folder


def _samples(dtype: torch.dtype) -> dict[str, Tensor]:
    """Return both inputs of a sample: every pair of special values, then 2**20 others, shape (n, 64) each.

    Special are zeros, powers of two and their neighbours, subnormals, an eighth of the largest value.
    The others are weights of usual size, nearly opposite pairs whose mix almost vanishes, and wide ranges.
    """
    info = torch.finfo(dtype)
    powers = 2.0 ** torch.arange(-24, 12, 4).double()
    edges = [0, info.max / 8, *(info.tiny * factor for factor in (info.eps, 0.25, 0.5, 0.75, 1, 2))]
    special = torch.cat([powers, powers * (1 + info.eps), powers * (1 - info.eps / 2), torch.tensor(edges)])
    special = torch.cat([special, -special])

    generator = torch.Generator().manual_seed(0)
    usual = torch.randn(2, 2**19, generator=generator) * 0.05
    near = torch.randn(2**18, generator=generator) * 0.05
    balance = torch.tensor([0.3 / 0.7, 1.0, 0.5, 97 / 3]).repeat(2**16)
    nudge = 10.0 ** -torch.randint(0, 6, (2**18,), generator=generator) * torch.randn(
        2**18, generator=generator
    )
    opposite = -near * balance * (1 + nudge)
    wide = torch.randn(2, 2**18, generator=generator)
    wide *= 2.0 ** torch.randint(-30, 5, (2, 2**18), generator=generator)
    before = torch.cat([special.repeat(len(special)), usual[0], near, wide[0]])
    after = torch.cat([special.repeat_interleave(len(special)), usual[1], opposite, wide[1]])
    length = before.numel() // 64 * 64
    return {
        "before": before[:length].view(-1, 64).to(dtype),
        "after": after[:length].view(-1, 64).to(dtype),
    }


def _steps_off(merged: Tensor, before: Tensor, after: Tensor, ratio: float) -> Tensor:
    """Return how many steps of its dtype a result lies from the exact mix.

    A step is the distance of neighbouring values of the dtype at the exact result. Under cancellation that
    is far smaller than the inputs, whereas float32 (float64 for float32 results) rounds relative to them. So
    the step is taken at no less than 2**-16 of the larger input for bfloat16, 2**-13 for float16 and 2**-29
    for float32: where the inputs cancel to less than that, an error of one epsilon of the wider arithmetic
    times the larger input counts as one step (2**-16 * 2**-7 = 2**-13 * 2**-10 = 2**-23, 2**-29 * 2**-23).
    """
    exact = ratio * before.double() + (1 - ratio) * after.double()
    info = torch.finfo(merged.dtype)
    wide = torch.finfo(torch.float64 if merged.dtype == torch.float32 else torch.float32)
    floor = torch.maximum(before.double().abs(), after.double().abs()) * wide.eps / info.eps
    magnitude = torch.maximum(exact.abs(), floor).clamp(min=info.smallest_normal)
    return (merged.double() - exact).abs() / (2.0 ** torch.floor(torch.log2(magnitude)) * info.eps)


def _same_bits(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one.view(torch.uint8), other.view(torch.uint8))


# --- the files beside the weights


def test_provenance_names_inputs_schedule_command_and_versions(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    tag = "split0|0#2|0.9|0.5|0.1"
    out = interpolate(*pair, tmp_path / f"pma_{tag}_x", "--alpha", "0.3", "--scope", "linear")
    record = json.loads((out / "ama_merge.json").read_text())
    assert record["ama"] == ama.__version__
    assert record["formula"] == "ratio * before + (1 - ratio) * after"
    assert record["schedule"] == {
        "name": tag,
        "ratio": 0.3,
        "pivots": [0, 2],
        "ratios": [0.9, 0.5, 0.1],
        "lm_head": 0.0,
        "modules": {},
        "scope": "linear",
    }
    for side, folder in zip(("before", "after"), pair, strict=True):
        assert record[side]["model"] == str(folder.resolve())
        assert record[side]["revision"] is None
        assert record[side]["xxh3_128"] == _fingerprint(load(folder))
    assert record["merged"]["xxh3_128"] == _fingerprint(load(out))
    assert datetime.fromisoformat(record["date"]).tzinfo is not None
    assert record["versions"]["torch"] == torch.__version__
    sizes = {name: tensor.numel() for name, tensor in load(out).items()}
    ratios = [0.9, 0.5, 0.5, 0.1]
    weighted = sum(
        (1.0 if "norm" in name or name == TABLE else 0.0 if name == HEAD else ratios[int(name.split(".")[2])])
        * n
        for name, n in sizes.items()
    )
    assert record["mean_ratio"] == pytest.approx(weighted / sum(sizes.values()))


def _fingerprint(tensors: dict[str, Tensor]) -> str:
    """Compute a model's fingerprint as ama_merge.json documents it."""
    lines = [
        f"{name} {xxhash.xxh3_128_hexdigest(tensor.contiguous().view(torch.uint8).numpy().tobytes())}\n"
        for name, tensor in sorted(tensors.items())
    ]
    return xxhash.xxh3_128_hexdigest("".join(lines).encode())


def test_the_model_card_is_one_that_the_hub_reads(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = interpolate(*pair, tmp_path / "split|1|0.4|0.2", "--alpha", "0.3")
    text = (out / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    card = ModelCard.load(out / "README.md")
    assert card.data.to_dict() == front
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-generation"
    assert "merge" in card.data.tags
    assert "base_model" not in front
    assert str(pair[0].parent) not in text
    assert "`split|1|0.4|0.2`" in text
    assert "| block 1: layers 0-1 | 0.4 |" in text
    assert "| head | 0.3 |" in text


def test_the_mergekit_recipe_says_the_same_ratios(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = interpolate(*pair, tmp_path / "uniform", "--alpha", "0.3", "--dtype", "bfloat16")
    recipe = yaml.safe_load((out / "mergekit.yaml").read_text())
    assert recipe == {
        "merge_method": "linear",
        "dtype": "bfloat16",
        "models": [
            {"model": str(pair[0]), "parameters": {"weight": 0.3}},
            {"model": str(pair[1]), "parameters": {"weight": 0.7}},
        ],
    }
    schedule = tmp_path / "schedule.yaml"
    modules = {"model.layers.1.self_attn.*": 0.75, "model.layers.3": 0.5}
    content = {"ratio": 0.3, "pivots": [0, 2], "ratios": [0.9, 0.5, 0.1], "modules": modules}
    schedule.write_text(yaml.safe_dump(content))
    out = interpolate(*pair, tmp_path / "parts", "--schedule", str(schedule), "--scope", "linear")
    before, after = yaml.safe_load((out / "mergekit.yaml").read_text())["models"]
    tensors = [load(folder) for folder in (*pair, out)]
    for name in tensors[2]:
        weights = [_mergekit_weight(model["parameters"]["weight"], name) for model in (before, after)]
        assert sum(weights) == pytest.approx(1)
        expected = sum(
            weight * tensor[name].double() for weight, tensor in zip(weights, tensors[:2], strict=True)
        )
        torch.testing.assert_close(tensors[2][name], expected.float(), rtol=2e-7, atol=1e-9)


def _mergekit_weight(setting: list[dict[str, Any]], name: str) -> float:
    """Look a weight up as mergekit does: the first entry whose filter is part of the tensor's name."""
    return next(float(entry["value"]) for entry in setting if entry["filter"] in name)


def test_tokenizer_templates_and_generation_settings_come_from_after(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = (copy_of(folder, tmp_path / folder.name) for folder in pair)
    make_tokenizer(before, "before: {{ messages }}")
    make_tokenizer(after, {"default": "after: {{ messages[0].content }}", "tools": "tools: {{ tools }}"})
    GenerationConfig(temperature=0.25, do_sample=True, max_new_tokens=7).save_pretrained(after)
    (after / "notes.txt").write_text("not needed")
    (after / "tokenizer_of_mine.py").write_text("raise SystemExit")
    out = interpolate(before, after, tmp_path / "out", "--alpha", "0.3")
    merged, original = (AutoTokenizer.from_pretrained(folder) for folder in (out, after))
    assert merged.get_vocab() == original.get_vocab()
    assert merged.special_tokens_map == original.special_tokens_map
    assert merged.chat_template == original.chat_template
    message = [{"role": "user", "content": "the model"}]
    assert merged.apply_chat_template(message, tokenize=False) == "after: the model"
    assert GenerationConfig.from_pretrained(out).temperature == 0.25
    assert AutoModelForCausalLM.from_pretrained(out).generation_config.max_new_tokens == 7
    assert not list(out.glob("*.py"))
    assert not (out / "notes.txt").exists()

    for path in [*after.glob("tokenizer*"), *after.glob("chat_template*"), after / "generation_config.json"]:
        path.unlink()
    shutil.rmtree(after / "additional_chat_templates")
    capsys.readouterr()
    out = interpolate(before, after, tmp_path / "second", "--alpha", "0.3")
    assert "after has no tokenizer: before's is copied" in capsys.readouterr().err
    assert AutoTokenizer.from_pretrained(out).chat_template == "before: {{ messages }}"
    assert (out / "generation_config.json").is_file()


def test_code_is_copied_only_if_trusted(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = copy_of(pair[1], tmp_path / "after")
    auto_map = {"AutoConfig": "configuration_mine.MineConfig", "AutoModelForCausalLM": "modeling_mine.Mine"}
    rewrite(after, load(after), auto_map=auto_map)
    for name in ("configuration_mine.py", "modeling_mine.py"):
        (after / name).write_text("raise SystemExit('this must not run')\n")
    out = interpolate(pair[0], after, tmp_path / "out", "--alpha", "0.3")
    assert "--trust_remote_code" in capsys.readouterr().err
    assert not list(out.glob("*.py"))
    out = interpolate(pair[0], after, tmp_path / "trusted", "--alpha", "0.3", "--trust_remote_code")
    assert sorted(path.name for path in out.glob("*.py")) == ["configuration_mine.py", "modeling_mine.py"]
    assert config_of(out)["auto_map"] == auto_map


def test_an_earlier_result_is_replaced_only_on_demand(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = interpolate(*pair, tmp_path / "out", "--alpha", "0.3", "--max_shard_size", "20KB")
    earlier = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UserError, match="--overwrite"):
        interpolate(*pair, out, "--alpha", "0.6")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == earlier
    interpolate(*pair, out, "--alpha", "0.6", "--overwrite")
    assert not list(out.glob("*-of-*"))
    assert not (out / "model.safetensors.index.json").exists()
    expected = mixed(load(pair[0])[TABLE], load(pair[1])[TABLE], 0.6)
    torch.testing.assert_close(load(out)[TABLE], expected, rtol=2e-7, atol=1e-9)

    other = copy_of(pair[0], tmp_path / "other")
    with pytest.raises(UserError, match="ama did not write it"):
        interpolate(*pair, other, "--alpha", "0.6", "--overwrite")
    assert load(other).keys() == load(pair[0]).keys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "out"]


def test_a_dry_run_prints_the_ratios_and_writes_nothing(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = "split|1|0.9|0.2"
    interpolate(*pair, tmp_path / "out", "--alpha", "0.3", "--schedule", tag, "--dry_run")
    printed = capsys.readouterr().out
    for name in load(pair[0]):
        layer = int(name.split(".")[2]) if ".layers." in name else None
        ratio = 0.9 if name == TABLE else 0.3 if layer is None else (0.9, 0.9, 0.2, 0.2)[layer]
        assert re.search(rf"{re.escape(name)}\b.*{ratio}", printed), name
    assert not list(tmp_path.iterdir())
