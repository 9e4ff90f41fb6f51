"""Merge methods: the table is whole, ranges are kept, and every engine mixes alike."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from support.tiny import llama, make_pair, make_tokenizer

import ama.averaging.methods
from ama.averaging.average import average
from ama.averaging.in_memory import InMemoryAverage, merged_tensors
from ama.averaging.live import plan_live
from ama.averaging.methods import load_method
from ama.averaging.plan import plan_merge
from ama.averaging.schedules.grammar import read_schedule
from ama.checkpoint.resolve import open_pair
from ama.errors import UserError
from ama.settings.merging import MergeSettings, Method

TAG = "split|0#2|0.6|0.4|0.2@0.3"
WORDS = {Method.LINEAR: TAG, Method.SLERP: TAG, Method.EXTRAPOLATE: "split|0#2|-0.6|-0.4|0.2@-0.3"}


def test_every_module_is_a_method() -> None:
    modules = {path.stem for path in Path(ama.averaging.methods.__path__[0]).glob("*.py")}
    assert modules - {"__init__"} == set(Method)
    assert WORDS.keys() == set(Method)
    for method in Method:
        found = load_method(method)
        assert found.low <= 0
        assert found.high >= 1


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_engines_agree_bit_for_bit(method: Method, dtype: torch.dtype, tmp_path: Path) -> None:
    before, after = make_pair(tmp_path, dtype)
    make_tokenizer(after)
    schedule = read_schedule(WORDS[method], method=method)
    done = average(before, after, tmp_path / "out", schedule=schedule, settings=MergeSettings(threads=2))
    written = load_file(tmp_path / "out" / "model.safetensors")
    in_memory = merged_tensors(done.plan)
    assert written.keys() == in_memory.keys()
    assert all(torch.equal(written[name], in_memory[name]) for name in written)
    pair = llama(1, dtype), llama(2, dtype)
    third = InMemoryAverage(*pair)
    for plan in (done.plan, plan_live(*pair, schedule)):
        third.mix(read_schedule("1"))
        for name, parameter in third.mix(plan).named_parameters():
            assert torch.equal(parameter, written[name]), name
            assert parameter.dtype == written[name].dtype


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("ratio", [0, 1])
def test_ratio_0_and_1_are_the_parents(method: Method, ratio: int, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, torch.bfloat16)
    plan = plan_merge(*open_pair(*map(str, pair), (None, None)), read_schedule(f"{method}:{ratio}"))
    parent = load_file(pair[1 - ratio] / "model.safetensors")
    assert all(torch.equal(tensor, parent[name]) for name, tensor in merged_tensors(plan).items())


@pytest.mark.parametrize("method", Method)
def test_a_model_with_itself_is_itself(method: Method) -> None:
    pair = llama(1), llama(1)
    mixed = InMemoryAverage(*pair).mix(read_schedule(f"{method}:0.3"))
    for name, parameter in mixed.named_parameters():
        assert torch.equal(parameter, pair[0].get_parameter(name)), name


@pytest.mark.parametrize("method", Method)
def test_a_ratio_above_1_is_refused(method: Method) -> None:
    with pytest.raises(UserError, match=r"ratio 1\.5 lies outside \[.*, 1\]"):
        read_schedule("1.5", method=method)


def test_a_ratio_below_0_is_taken_on_request_only(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    (tmp_path / "s.yaml").write_text("ratio: -0.3\n")
    way = r"ratio -0\.3 lies outside \[0, 1\]: .* before RLHF; --method extrapolate takes it"
    for word in (
        "-0.3",
        "split|1|-0.3|0.1@0.3",
        "split|1|0.2|0.1@-0.3",
        str(tmp_path / "s.yaml"),
        "slerp:-0.3",
    ):
        with pytest.raises(UserError, match=way):
            read_schedule(word)
    with pytest.raises(UserError, match=f"^--ratio: {way}"):
        average(*pair, tmp_path / "out", ratio=-0.3)
    average(*pair, tmp_path / "out", ratio=-0.3, method="extrapolate")
    states = [load_file(folder / "model.safetensors") for folder in (*pair, tmp_path / "out")]
    for name, merged in states[2].items():
        before, after = (state[name].double() for state in states[:2])
        torch.testing.assert_close(merged, (after + 0.3 * (after - before)).float())
    record = json.loads((tmp_path / "out" / "ama_merge.json").read_text())
    assert (record["method"], record["schedule"]["name"]) == ("extrapolate", "extrapolate:-0.3")
    recipe = yaml.safe_load((tmp_path / "out" / "mergekit.yaml").read_text())
    assert [model["parameters"]["weight"] for model in recipe["models"]] == [-0.3, 1.3]


def test_a_method_in_front_of_every_kind_of_schedule(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("ratio: 0.3\n")
    for word in ("0.3", "split|1|0.2|0.1@0.3", str(tmp_path / "s.yaml")):
        assert read_schedule(f"linear:{word}") == read_schedule(word)
    with pytest.raises(UserError, match=r"'spherical:0\.3' is neither a split tag"):
        read_schedule("spherical:0.3")
