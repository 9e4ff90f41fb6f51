"""The function behind the merging commands, and averages in memory of models with fused weights."""

import json
from pathlib import Path

import pytest
import torch
from support.command import interpolate
from support.masking import released_mask, tiny_model
from support.tiny import load, make_pair, make_tokenizer, same
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from ama.averaging.average import average
from ama.averaging.in_memory import LoadedPair
from ama.averaging.plan import plan_merges
from ama.averaging.schedules.grammar import learned_schedule, merge_schedule, read_schedule
from ama.averaging.schedules.schedule import Schedule
from ama.checkpoint.resolve import open_pair
from ama.errors import UserError
from ama.models import load_model, load_tokenizer
from ama.settings.merging import MergeSettings, Scope

TAG = "split|0#1|0.6|0.4|0.2"


def test_average_is_the_command(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    told: list[str] = []
    done = average(*pair, tmp_path / "out", ratio=0.3, schedule=TAG, scope="linear", tell=told.append)
    command = interpolate(*pair, tmp_path / "same", "--ratio", "0.3", "--schedule", TAG, "--scope", "linear")
    assert done.path == tmp_path / "out"
    assert same(tmp_path / "out", command)
    assert told[-1].endswith(f"mean ratio {done.mean_ratio:.4f}")
    assert load(command)["lm_head.weight"].dtype == torch.float32
    records = [json.loads((folder / "ama_merge.json").read_text()) for folder in (done.path, command)]
    assert records[0]["schedule"] == records[1]["schedule"]
    assert records[0]["mean_ratio"] == done.mean_ratio
    settings = records[1]["settings"]
    assert (settings["ratio"], settings["schedule"], settings["scope"]) == (0.3, TAG, "linear")
    assert settings["max_shard_size"] == "5GB"
    assert [record["method"] for record in records] == ["linear", "linear"]


def test_a_dry_run_gives_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    done = average(*pair, tmp_path / "out", schedule=Schedule(0.25), settings=MergeSettings(dry_run=True))
    assert (done.path, done.mean_ratio) == (None, 0.25)
    assert not (tmp_path / "out").exists()


def test_a_ratio_and_a_schedule_that_disagree() -> None:
    with pytest.raises(UserError, match=r"--schedule '0\.4' and --ratio 0\.3 disagree"):
        merge_schedule(0.3, "0.4")
    with pytest.raises(UserError, match=r"and --ratio 0\.3 disagree"):
        merge_schedule(0.3, f"{TAG}@0.2")
    assert merge_schedule(0.3, "0.3") == merge_schedule(0.3) == Schedule(0.3)


def test_a_ratio_behind_the_schedule(tmp_path: Path) -> None:
    assert read_schedule(f"{TAG}@0.2") == read_schedule(TAG, 0.2)
    with pytest.raises(UserError, match="only a split tag or a file takes a ratio behind an @"):
        read_schedule("0.4@0.2")
    with pytest.raises(UserError, match=r"ratio 'x' is no number"):
        read_schedule(f"{TAG}@x")
    folder = tmp_path / "masks@home"
    folder.mkdir()
    torch.save(released_mask(), folder / "mask_alphas.bin")
    assert read_schedule(str(folder)) == learned_schedule(folder)
    assert read_schedule(f"{folder}@0.1") == read_schedule(str(folder), 0.1) == learned_schedule(folder, 0.1)


def test_ratios_of_no_layer(tmp_path: Path) -> None:
    content = released_mask()
    content["mask_alphas"] = content["mask_bkp_alphas"] = {"lm_head": torch.tensor(0.5)}
    torch.save(content, tmp_path / "mask_alphas.bin")
    with pytest.raises(
        UserError, match="not in the layout of learned ratios: it holds no ratio of a layer's"
    ):
        learned_schedule(tmp_path)


@pytest.fixture(params=["llama-tied", "mixtral", "mixtral-tied", "gpt2"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Two models of a family, with tokenizers."""
    for number, name in enumerate(("before", "after")):
        tiny_model(request.param, number).save_pretrained(tmp_path / name)
        make_tokenizer(tmp_path / name)
    return str(tmp_path / "before"), str(tmp_path / "after")


def _load(folder: str, dtype: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load_model(Path(folder), dtype), load_tokenizer(Path(folder))


def test_a_sweep_mixes_what_the_merge_writes(pair: tuple[str, str], tmp_path: Path) -> None:
    # The last gives the experts' two first maps, which are one weight in memory, ratios of their own.
    (tmp_path / "parts.yaml").write_text(
        "ratio: 0.2\nmodules: {'*.1.*': 0.7, '*w1': 0.9, '*gate_proj': 0.9}\n"
    )
    words = (
        "0.3",
        "split|0|0.5|0.1@0.2",
        str(tmp_path / "parts.yaml"),
        "slerp:0.3",
        "extrapolate:-0.2",
        "0.3",
    )
    schedules = [read_schedule(word) for word in words] + [Schedule(0.4, scope=Scope.LINEAR)]
    weights = LoadedPair(lambda dtype: _load(pair[0], dtype), lambda dtype: _load(pair[1], dtype))
    for number, plan in enumerate(plan_merges(*open_pair(*pair, (None, None)), schedules)):
        out = tmp_path / f"out{number}"
        average(*pair, out, schedule=plan.schedule)
        model, _ = weights.loader(plan)("auto")
        written = AutoModelForCausalLM.from_pretrained(out)
        for name, parameter in written.named_parameters():
            assert torch.equal(parameter, model.get_parameter(name)), (number, name)
