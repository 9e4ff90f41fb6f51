"""Wrong inputs: each gives one line that says what is wrong where, exit status 2, and leaves no trace."""

import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file
from support import warm
from support.scene import (
    SHARDS,
    Change,
    Scene,
    all_of,
    also,
    as_adapter,
    as_bin,
    config,
    file,
    folder,
    given,
    header,
    link,
    lost,
    place,
    schedule,
    sharded,
    tensors,
    weights,
)
from support.tiny import make_pair

from ama import interpolate
from ama.console import run

ROOT = Path(__file__).resolve().parents[2]
Q = "model.layers.1.self_attn.q_proj.weight"
TAG = "split|0#1|0.4|0.3|0.2"


class Bomb:
    """What an attacker pickles: loading it makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch exploded",))


def save_bomb(state: dict[str, torch.Tensor], path: Path) -> None:
    torch.save({**state, "bomb": Bomb()}, path)


def save_bare_bomb(state: dict[str, torch.Tensor], path: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb()))


def save_old(state: dict[str, torch.Tensor], path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def add_prefix(state: dict[str, torch.Tensor]) -> None:
    for name in list(state):
        state[f"module.{name}"] = state.pop(name)


def widen_vocabulary(state: dict[str, torch.Tensor]) -> None:
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        state[name] = torch.ones(70, 32)


def drop_last_layer(state: dict[str, torch.Tensor]) -> None:
    for name in list(state):
        if ".layers.3." in name:
            del state[name]


def add_other(state: dict[str, torch.Tensor]) -> None:
    state["other"] = torch.ones(1)


def repeat_name(entries: dict[str, Any]) -> bytes:
    return json.dumps(entries).replace(Q, "lm_head.weight").encode()


def broken(what: str) -> str:
    return f"after/model.safetensors is truncated or no safetensors file: {what}"


# What is wrong: how it comes about, and what the line on stderr says, right after "error: " if "^" begins it.
TABLE: dict[str, tuple[Change, str]] = {
    # weight files
    "weights cut short": (weights(lambda data: data[:-10]), broken("its tensors end at byte")),
    "weights with a rest": (weights(lambda data: data + b"x"), broken("its tensors end at byte")),
    "weights empty": (weights(lambda data: b""), broken("its header claims 0 bytes, the file has 0")),
    "weights cut in the header": (weights(lambda data: data[:100]), broken("its header claims")),
    "header length too large": (
        weights(lambda data: (1 << 40).to_bytes(8, "little") + data[8:]),
        broken("its header claims 1099511627776 bytes"),
    ),
    "header length all ones": (
        weights(lambda data: b"\xff" * 8 + data[8:]),
        broken("its header claims 18446744073709551615 bytes"),
    ),
    "header length zero": (
        weights(lambda data: bytes(8) + data[8:]),
        broken("its header is no JSON object (Expecting value"),
    ),
    "header no JSON": (
        header(lambda entries: b"{" * 40),
        broken("its header is no JSON object (Expecting property name"),
    ),
    "header no object": (
        header(lambda entries: b"[1, 2]"),
        broken("its header is no JSON object (it is no object)"),
    ),
    "header nested deeply": (
        header(lambda entries: b"[" * 99_999),
        broken("its header is no JSON object (it is nested too deeply)"),
    ),
    "header no UTF-8": (
        header(lambda entries: b'{"\xff": 1}'),
        broken("its header is no JSON object ('utf-8' codec"),
    ),
    "a name twice": (
        header(repeat_name),
        broken("its header is no JSON object ('lm_head.weight' occurs twice)"),
    ),
    "offsets overlap": (
        header(lambda entries: entries[Q].update(data_offsets=[0, 4096])),
        broken("tensor 'lm_head.weight' begins at byte"),
    ),
    "offsets with a gap": (
        header(lambda entries: entries.pop(Q)),
        broken("tensor 'model.layers.1.self_attn.v_proj.weight' begins at byte"),
    ),
    "offsets beyond the file": (
        header(lambda entries: entries["model.norm.weight"].update(data_offsets=[1 << 40, (1 << 40) + 128])),
        broken("tensor 'model.norm.weight' begins at byte"),
    ),
    "offsets negative": (
        header(lambda entries: entries[Q].update(data_offsets=[-4096, 0])),
        broken(f"tensor '{Q}' is described as"),
    ),
    "data size wrong for shape": (
        header(lambda entries: entries[Q].update(shape=[32, 33])),
        broken(f"tensor '{Q}' [32, 33] F32 claims 4096 bytes"),
    ),
    "shape infinite": (
        header(lambda entries: entries[Q].update(shape=[float("inf")])),
        broken(f"tensor '{Q}' is described as"),
    ),
    "dtype unknown": (
        header(lambda entries: entries[Q].update(dtype="F4")),
        f"^tensor '{Q}' in after/model.safetensors has dtype F4, which ama can't read: give bfloat16",
    ),
    # shards
    "shard missing": (
        all_of(sharded(), lost(f"after/{SHARDS[1]}")),
        f"^after/{SHARDS[1]} is missing, though model.safetensors.index.json names it: download it again",
    ),
    "index names the folder above": (
        sharded(lambda index: index["weight_map"].update({Q: "../before/model.safetensors"})),
        "names '../before/model.safetensors', which is not a file of its own folder",
    ),
    "index names an absolute path": (
        sharded(lambda index: index["weight_map"].update({Q: "/etc/passwd"})),
        "names '/etc/passwd', which is not a file of its own folder",
    ),
    "index names a subfolder": (
        sharded(lambda index: index["weight_map"].update({Q: f"sub/{SHARDS[0]}"})),
        f"names 'sub/{SHARDS[0]}', which is not a file of its own folder",
    ),
    "index names ..": (
        sharded(lambda index: index["weight_map"].update({Q: ".."})),
        "names '..', which is not a file of its own folder",
    ),
    "index names nothing": (
        sharded(lambda index: index["weight_map"].update({Q: ""})),
        "names '', which is not a file of its own folder",
    ),
    "index without weight_map": (
        sharded(lambda index: index.pop("weight_map")),
        "^after/model.safetensors.index.json holds no 'weight_map'",
    ),
    "index with a list": (
        sharded(lambda index: index.update(weight_map=[Q])),
        "^after/model.safetensors.index.json holds no 'weight_map'",
    ),
    "index with a number": (
        sharded(lambda index: index["weight_map"].update({Q: 5})),
        "^after/model.safetensors.index.json holds no 'weight_map'",
    ),
    "index empty": (
        sharded(lambda index: index["weight_map"].clear()),
        "^after/model.safetensors.index.json holds no 'weight_map'",
    ),
    "index names a tensor that is not there": (
        sharded(lambda index: index["weight_map"].update(extra=SHARDS[0])),
        f"^tensor 'extra' is not in {SHARDS[0]}, though after/model.safetensors.index.json says so",
    ),
    "index no JSON": (
        all_of(sharded(), file("after/model.safetensors.index.json", "{")),
        "^after/model.safetensors.index.json holds no JSON object (Expecting property name",
    ),
    # .bin files
    ".bin with code": (
        as_bin(save_bomb),
        "^after/pytorch_model.bin holds more than tensors and was not loaded (Trying to load unsupported",
    ),
    ".bin a bare pickle": (
        as_bin(save_bare_bomb),
        "^after/pytorch_model.bin is truncated or in the format of PyTorch before 1.6; save it as safe",
    ),
    ".bin in the old format": (
        as_bin(save_old),
        "^after/pytorch_model.bin is truncated or in the format of PyTorch before 1.6",
    ),
    ".bin a list": (
        as_bin(lambda state, path: torch.save(list(state.values()), path)),
        "^after/pytorch_model.bin is no state dict: it must map names to tensors",
    ),
    ".bin nested": (
        as_bin(lambda state, path: torch.save({"model": state}, path)),
        "^after/pytorch_model.bin is no state dict",
    ),
    ".bin cut short": (
        all_of(
            as_bin(lambda state, path: torch.save(state, path)),
            lambda scene: os.truncate(scene.folder / "after/pytorch_model.bin", 50_000),
        ),
        "^after/pytorch_model.bin is truncated",
    ),
    ".bin with a hole": (
        as_bin(lambda state, path: torch.save({Q: state[Q].T}, path)),
        f"^tensor '{Q}' in after/pytorch_model.bin is not contiguous",
    ),
    # tensors
    "tensor missing": (
        tensors(lambda state: state.pop(Q)),
        f"^after lacks tensor '{Q}', which before has: only checkpoints of one architecture",
    ),
    "tensor too many": (
        tensors(lambda state: state.update({"model.layers.1.extra.weight": torch.ones(2)})),
        "^before lacks tensor 'model.layers.1.extra.weight', which after has",
    ),
    "names with a prefix": (tensors(add_prefix), "and 38 more, which"),
    "shape differs": (
        tensors(lambda state: state.update({Q: torch.ones(32, 16)})),
        f"^tensor '{Q}' is [32, 32] in before, [32, 16] in after: only checkpoints of one architecture",
    ),
    "vocabularies differ": (
        tensors(widen_vocabulary),
        "has 64 rows in before, 70 in after; --vocab_mismatch keep_extra averages the common rows",
    ),
    "layer missing in after": (tensors(drop_last_layer), "^after lacks tensor 'model.layers.3."),
    "tensor empty": (
        tensors(lambda state: state.update({Q: torch.ones(0)})),
        f"^tensor '{Q}' of after is empty, [0]: it was saved without its data, as by one rank of ZeRO-3",
    ),
    "tensor NaN": (
        tensors(lambda state: state[Q][3].fill_(float("nan"))),
        f"^tensor '{Q}' of the result is not finite: look for NaN",
    ),
    "tensor infinite": (
        tensors(lambda state: state[Q][3].fill_(float("-inf"))),
        f"^tensor '{Q}' of the result is not finite",
    ),
    "values too large for the dtype": (
        all_of(tensors(lambda state: state[Q].fill_(1e6)), also("--dtype", "float16")),
        f"^tensor '{Q}' of the result is not finite: look for NaN, infinity or values beyond float16",
    ),
    "tensor float8": (
        tensors(lambda state: state.update({Q: state[Q].to(torch.float8_e4m3fn)})),
        f"^tensor '{Q}' of after is float8_e4m3fn, which can't be averaged: give bfloat16",
    ),
    "tensor of whole numbers": (
        tensors(lambda state: state.update({Q: state[Q].to(torch.int8)})),
        f"^tensor '{Q}' of after is int8, which can't be averaged",
    ),
    "tensor of an unknown part": (
        all_of(tensors(add_other, "before"), tensors(add_other)),
        "^tensor 'other' is neither in a layer nor a known embedding",
    ),
    # config.json
    "config missing": (
        lost("after/config.json"),
        "^after/config.json is missing: give a folder that save_pretrained wrote, or a hub id",
    ),
    "config no JSON": (
        file("after/config.json", "{'a': 1}"),
        "^after/config.json holds no JSON object (Expecting property name",
    ),
    "config no object": (
        file("after/config.json", "[]"),
        "^after/config.json holds no JSON object (it is no object)",
    ),
    "config no text": (
        file("after/config.json", b"{\xff"),
        "^after/config.json holds no JSON object ('utf-8' codec",
    ),
    "config nested deeply": (
        file("after/config.json", "[" * 99_999),
        "^after/config.json holds no JSON object (it is nested too deeply)",
    ),
    "config a folder": (folder("after/config.json"), "^Is a directory: after/config.json"),
    "config a loop of links": (
        link("after/config.json", "config.json"),
        "^Too many levels of symbolic links: after/config.json",
    ),
    "architecture differs": (
        config("after", architectures=["MistralForCausalLM"]),
        "^architectures is ['LlamaForCausalLM'] in before, ['MistralForCausalLM'] in after: only checkpoints",
    ),
    "model type differs": (
        config("after", model_type="mistral"),
        "^model_type is llama in before, mistral in after",
    ),
    "number of layers differs": (
        config("after", num_hidden_layers=5),
        "^num_hidden_layers is 4 in before, 5 in after",
    ),
    "number of heads differs": (
        config("after", num_attention_heads=8),
        "^num_attention_heads is 4 in before, 8 in after",
    ),
    "number of key-value heads differs": (
        config("after", num_key_value_heads=4),
        "^num_key_value_heads is 2 in before, 4 in after",
    ),
    "layers of config and weights differ": (
        config("before", "after", num_hidden_layers=3),
        "^config.json states 3 layers, but the weights hold layers 0 to 3 (4 of them)",
    ),
    "layers past counting": (
        config("before", "after", num_hidden_layers=10**15),
        "^config.json states 1000000000000000 layers, but the weights hold layers 0 to 3 (4 of them)",
    ),
    "layers no number": (
        config("before", "after", num_hidden_layers="four"),
        "^before/config.json: num_hidden_layers is 'four', which is no number of layers",
    ),
    "quantised": (
        config("after", quantization_config={"bits": 4}),
        "^after is quantised (quantization_config in its config.json): give full weights",
    ),
    # the ratio
    "ratio above 1": (
        given("--alpha", "1.5"),
        "^--ratio: ratio 1.5 lies outside [0, 1]: it is the weight of the model before RLHF",
    ),
    "ratio below 0": (given("--alpha", "-0.1"), "^--ratio: ratio -0.1 lies outside [0, 1]"),
    "ratio no number": (
        given("--alpha", "abc"),
        "^--ratio/--alpha: 'abc' is not a number (see python -m ama.interpolate --help)",
    ),
    "ratio nan": (given("--alpha", "nan"), "^--ratio nan: give a finite number"),
    "ratio empty": (given("--alpha", ""), "^--ratio/--alpha: '' is not a number"),
    "ratio missing": (given(), "^no ratio given: say --ratio 0.3, the weight of the model before RLHF"),
    # split tags
    "tag0 with |": (
        also("--tag0", "a|b"),
        "^--tag0 'a|b' contains '|', which separates fields of the save name; leave it out",
    ),
    "tag1 with #": (also("--tag1", "a#b"), "^--tag1 'a#b' contains '#'"),
    "tag1 with _": (also("--tag1", "a_b"), "^--tag1 'a_b' contains '_'"),
    "pivots not increasing": (
        place(out="m_split|1#0|0.4|0.3|0.2"),
        "^in split tag 'split|1#0|0.4|0.3|0.2': pivots 1#0 do not increase",
    ),
    "pivots equal": (
        also("--schedule", "split|1#1|0.4|0.3|0.2"),
        "^in split tag 'split|1#1|0.4|0.3|0.2': pivots 1#1 do not increase",
    ),
    "pivot past the last layer": (
        place(out="m_split|0#9|0.4|0.3|0.2"),
        "^pivot 9 leaves no layer for the last block: the model's layers are 0 to 3, so the last pivot may",
    ),
    "pivot the last layer": (
        place(out="m_split|0#3|0.4|0.3|0.2"),
        "^pivot 3 leaves no layer for the last block",
    ),
    "pivot no number": (
        place(out="m_split|a#1|0.4|0.3|0.2"),
        "^in split tag 'split|a#1|0.4|0.3|0.2': pivot 'a' is no layer index; write pivots as 10#20",
    ),
    "pivot empty": (
        place(out="m_split||0.4|0.3"),
        "^in split tag 'split||0.4|0.3': pivot '' is no layer index",
    ),
    "a ratio too few": (
        place(out="m_split|0#1|0.4|0.3"),
        "^in split tag 'split|0#1|0.4|0.3': 2 pivots make 3 blocks, but 2 ratios were given",
    ),
    "a ratio too many": (
        place(out="m_split|0#1|0.4|0.3|0.2|0.1"),
        "2 pivots make 3 blocks, but 4 ratios were given",
    ),
    "no ratios": (place(out="m_split|0#1"), "^in split tag 'split|0#1': pivots or ratios are missing"),
    "split alone": (
        place(out="m_split"),
        "^in split tag 'split': pivots or ratios are missing; write split|10#20|0.4|0.3|0.2",
    ),
    "split ratio no number": (place(out="m_split|0#1|x|0.3|0.2"), "ratio 'x' is no number"),
    "split ratio empty": (place(out="m_split|0#1||0.3|0.2"), "ratio '' is no number"),
    "split ratio above 1": (place(out="m_split|0#1|0.4|1.3|0.2"), "ratio 1.3 lies outside [0, 1]"),
    "split ratio below 0": (place(out="m_split|0#1|0.4|-1|0.2"), "ratio -1 lies outside [0, 1]"),
    "split2": (
        place(out="m_split2|0#1|0.4|0.3|0.2"),
        "it begins with 'split2'; write split|10#20|0.4|0.3|0.2 or split0|... (head's ratio 0)",
    ),
    "two split fields": (place(out=f"m_{TAG}_{TAG}"), "holds 2 fields that begin with 'split'; keep one"),
    "flag and name disagree": (
        all_of(place(out=f"m_{TAG}"), also("--schedule", "split|0#1|0.4|0.3|0.1")),
        f"^--schedule 'split|0#1|0.4|0.3|0.1' and the save name's '{TAG}' disagree: drop one of them",
    ),
    "split without alpha": (all_of(place(out=f"m_{TAG}"), given()), "^no ratio given: say --ratio 0.3"),
    # schedule files
    "schedule neither tag nor file": (
        also("--schedule", "partwise"),
        "^--schedule 'partwise' is neither a split tag such as split|10#20|0.4|0.3|0.2, a .yaml file",
    ),
    "schedule file missing": (
        also("--schedule", "no.yaml"),
        "^schedule no.yaml can't be read: No such file or directory",
    ),
    "schedule file no mapping": (
        schedule("- 1"),
        "^schedule schedule.yaml holds no mapping: write keys such as ratio: 0.3",
    ),
    "schedule file broken": (
        schedule("ratio: ["),
        "^schedule schedule.yaml is no YAML: while parsing a flow node",
    ),
    "schedule file with code": (
        schedule("ratio: !!python/object/apply:os.system ['touch exploded']"),
        "^schedule schedule.yaml is no YAML: could not determine a constructor",
    ),
    "schedule key unknown": (
        schedule("alpha: 0.3"),
        "^schedule schedule.yaml: 'alpha' is not among its keys lm_head, modules, pivots, ratio, ratios",
    ),
    "schedule ratio no number": (
        schedule("ratio: [0.3]"),
        "^schedule schedule.yaml, ratio: ratio '[0.3]' is no number",
    ),
    "schedule pivots no list": (
        schedule("ratio: 0.3\npivots: 0#1"),
        "^schedule schedule.yaml: pivots is '0#1'; write a list, such as [10, 20]",
    ),
    "schedule pivot past the last layer": (
        schedule("ratio: 0.3\npivots: [7]\nratios: [0, 1]"),
        "^pivot 7 leaves no layer for the last block",
    ),
    "schedule without ratio": (schedule("modules: {}"), "^no ratio given"),
    "schedule and --alpha disagree": (
        schedule("ratio: 0.4", "--alpha", "0.3"),
        "^schedule schedule.yaml has ratio 0.4, --ratio is 0.3: drop one of them",
    ),
    # the target
    "target exists": (
        all_of(folder("out"), file("out/ama_merge.json", "{}")),
        "^output out exists already: choose another, or replace it with --overwrite",
    ),
    "target exists, a file": (file("out", ""), "^output out exists already"),
    "target exists, somebody else's": (
        all_of(folder("out"), also("--overwrite")),
        "^output out holds no ama_merge.json, so ama did not write it: remove it yourself",
    ),
    "target a file, --overwrite": (
        all_of(file("out", ""), also("--overwrite")),
        "^output out holds no ama_merge.json",
    ),
    "target a loop of links": (link("out", "out"), "^output out exists already"),
    "target below a file": (
        all_of(file("file", ""), place(out="file/out")),
        "^output file/out can't be written: Not a directory",
    ),
    "target's name too long": (place(out="x" * 250), "can't be written: File name too long"),
    "target in an input": (place(out="after/out"), "^output after/out lies in the input folder"),
    "target is an input": (
        all_of(place(out="before"), also("--overwrite")),
        "^output before lies in the input folder",
    ),
    "target is an input by a link": (
        all_of(link("link", "after"), place(out="link/out")),
        "^output link/out lies in the input folder",
    ),
    "input in the target": (
        all_of(place(out="."), also("--overwrite")),
        "lies in the output .: choose another output",
    ),
    "input in the target's name": (
        all_of(place(out="after/.."), also("--overwrite")),
        "lies in the output after/..: choose another output",
    ),
    # the models
    "one folder twice": (
        place(after="before"),
        "^before and after are the same folder, before: there is nothing to average",
    ),
    "one folder twice, with a slash": (place(after="before/"), "^before and after are the same folder"),
    "one folder twice, by ..": (place(after="after/../before"), "^before and after are the same folder"),
    "one folder twice, by a link": (
        all_of(link("link", "before"), place(after="link")),
        "^before and after are the same folder",
    ),
    "before is an adapter": (
        as_adapter("before"),
        "^before, before, is a LoRA adapter: only after may be one; merge it into its base first",
    ),
    "adapter of another kind": (
        as_adapter("after", peft_type="IA3"),
        "^adapter after is IA3: only plain LoRA can be averaged; merge it into its base first",
    ),
    "adapter without a scale": (
        as_adapter("after", lora_alpha="much"),
        "^adapter_config.json gives 'model.layers.1.self_attn.q_proj' no scale: lora_alpha is 'much'",
    ),
    "no such folder": (
        place(before="nowhere"),
        "^no such folder: nowhere (nor is it a hub id of the form owner/name)",
    ),
    "no such home": (place(before="~nobody-at-all/model"), "^no such folder: ~nobody-at-all/model"),
    "a file": (
        place(before="after/config.json"),
        "^after/config.json is a file: give the checkpoint's folder",
    ),
    "a loop of links": (all_of(link("loop", "loop"), place(before="loop")), "^no such folder: loop"),
    "a folder without weights": (
        lost("after/model.safetensors"),
        "^after holds no weights: neither model.safetensors nor pytorch_model.bin, single or sharded",
    ),
    # options
    "shard size no size": (
        also("--max_shard_size", "huge"),
        "^--max_shard_size 'huge' is no size: write it as 5GB, 500MB or 2GiB",
    ),
    "shard size zero": (also("--max_shard_size", "0GB"), "^--max_shard_size '0GB' is no size"),
    "shard size absurd": (also("--max_shard_size", "9" * 400 + "GB"), "is no size: write it as 5GB"),
    "no threads": (also("--threads", "0"), "^--threads 0: give 1 or more"),
    "fewer than no threads": (
        also("--threads", "-1"),
        "^--threads -1: give 1 or more",
    ),
    "unknown option": (
        also("--beta", "1"),
        "^there is no option --beta (see python -m ama.interpolate --help)",
    ),
    "unknown option of two lines": (
        also("--a\nb"),
        "^there is no option --a (see python -m ama.interpolate --help)",
    ),
    "unknown scope": (
        also("--scope", "some"),
        "^--scope: 'some' is not all or linear",
    ),
    "unknown dtype": (also("--dtype", "int8"), "^--dtype: 'int8' is not float32 or bfloat16 or float16"),
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    make_pair(folder)
    return folder


@pytest.fixture
def scene(pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    shutil.copytree(pair, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Scene(tmp_path)


def here(scene: Scene, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command in this process; return its status and what it says on stderr."""
    with patch.object(sys, "argv", ["interpolate", *scene.command]), pytest.raises(SystemExit) as caught:
        run(interpolate.main)
    status = caught.value.code
    assert isinstance(status, int)
    out, err = capfd.readouterr()
    assert out == ""
    return status, err


def check_refusal(scene: Scene, files: dict[str, Any], status: int, err: str, message: str) -> None:
    assert status == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert message.removeprefix("^") in err
    if message.startswith("^"):
        assert err.startswith(f"error: {message[1:]}")
    assert scene.files() == files


def test_the_pickle_of_the_table_is_dangerous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_bomb({}, tmp_path / "pytorch_model.bin")
    torch.load("pytorch_model.bin", weights_only=False)
    assert (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", TABLE)
def test_wrong_input(scene: Scene, capfd: pytest.CaptureFixture[str], name: str) -> None:
    change, message = TABLE[name]
    change(scene)
    files = scene.files()
    check_refusal(scene, files, *here(scene, capfd), message)


@pytest.mark.parametrize("name", ["weights cut short", ".bin with code", "tensor NaN", "split alone"])
def test_wrong_input_in_a_process_of_its_own(scene: Scene, name: str) -> None:
    change, message = TABLE[name]
    change(scene)
    files = scene.files()
    command = [warm.python(), "-m", "ama.interpolate", *scene.command]
    done = subprocess.run(command, env=warm.variables(), capture_output=True, text=True, check=False)
    assert done.stdout == ""
    check_refusal(scene, files, done.returncode, done.stderr, message)


AWKWARD = "a folder | with # and 'quotes' & $HOME *"


@pytest.mark.parametrize("out", ["the | result #1", f"pma 0.3_a b_{TAG}_c"])
def test_awkward_paths(scene: Scene, capfd: pytest.CaptureFixture[str], out: str) -> None:
    for model in ("before", "after"):
        (scene.folder / model).rename(scene.folder / f"{AWKWARD} {model}")
    scene.before, scene.after, scene.out = f"{AWKWARD} before", f"{AWKWARD} after", f"{AWKWARD}/{out}"
    status, err = here(scene, capfd)
    assert status == 0
    assert err.startswith(f"{AWKWARD}/{out}: ")
    assert err.count("\n") == 1
    check_result(scene, 0.3, TAG if TAG in out else "0.3")


def test_paths_that_are_no_unicode(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9")
    (scene.folder / "after").rename(scene.folder / name)
    scene.after, scene.out = name, f"{name} merged"
    status, err = here(scene, capfd)
    assert (status, err.count("\n")) == (0, 1)
    record = json.loads((scene.folder / scene.out / "ama_merge.json").read_text())
    assert record["after"]["model"] == str(scene.folder / name)


def test_a_target_that_appears_during_the_merge_is_kept(
    scene: Scene, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = scene.folder / "out" / "mine"

    @contextmanager
    def track(*_: Any, **__: Any) -> Iterator[Callable[[int], None]]:
        yield lambda _: mine.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr("ama.averaging.average.track_bytes", track)
    files = {**scene.files(), "out": None, "out/mine": None}
    check_refusal(scene, files, *here(scene, capfd), "^output out exists already")


def test_more_files_than_a_process_may_have_open(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.arguments += ["--max_shard_size", "1B"]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files + 16, hard))
    try:
        status, err = here(scene, capfd)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert status == 0, err
    assert len(list((scene.folder / "out").glob("*.safetensors"))) == 39


def check_result(scene: Scene, ratio: float, schedule: str) -> None:
    record = json.loads((scene.folder / scene.out / "ama_merge.json").read_text())
    assert (record["schedule"]["ratio"], record["schedule"]["name"]) == (ratio, schedule)
    parents = (
        load_file(scene.folder / f"{AWKWARD} {model}" / "model.safetensors") for model in ("before", "after")
    )
    before, after = (parent["lm_head.weight"] for parent in parents)
    merged = load_file(scene.folder / scene.out / "model.safetensors")["lm_head.weight"]
    assert torch.allclose(merged, ratio * before + (1 - ratio) * after, atol=1e-6)


def test_awkward_paths_through_the_script(scene: Scene) -> None:
    for model in ("before", "after"):
        (scene.folder / model).rename(scene.folder / f"{AWKWARD} {model}")
    out = f"{AWKWARD}/pma 0.3_a b_{TAG}_c"
    variables = {
        "model_path0": f"{AWKWARD} before",
        "model_path1": f"{AWKWARD} after",
        "alpha": "0.1",
        "weight_ensamble_save_path": out,
    }
    script = ROOT / "scripts" / "postprocess" / "weight_interpolation.sh"
    done = subprocess.run(
        ["bash", script], env=warm.variables(**variables), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    scene.out = out
    check_result(scene, 0.1, TAG)
