"""python -m ama.prepare_hh_rlhf: what comes out of which files, from a folder and from the hub."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.call import call, complaint
from support.hh import (
    HELPFUL,
    anthropic,
    comparison,
    instances,
    questions,
    snapshot,
    whole_source,
    write_file,
    write_source,
)
from support.hub import Hub, serving
from support.learning import make_learner

from ama.data.inspection import Form, data_sets, inspect
from ama.errors import UserError
from ama.prepare_hh_rlhf import main

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HH_RLHF_SOURCE", raising=False)


def prepare(out: Path, source: Path, *options: str) -> Path:
    call(main, out, "--source", source, *options)
    return out


def texts(out: Path, name: str) -> list[str]:
    return [instance["text"] for instance in instances(out / name)]


def test_every_file_holds_what_it_is_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = whole_source(tmp_path / "source")
    out = prepare(tmp_path / "out", source)
    assert sorted(snapshot(out)) == [
        "manifest.json",
        "rlhf/rlhf_eval/first_half.json",
        "rlhf/rlhf_eval/second_half.json",
        "rlhf/rlhf_prompt/train.json",
        "rm/held_out/held_out.json",
        "rm/train/test.json",
        "rm/train/train.json",
        "sft/train.json",
    ]
    pairs = {
        name: {instance["prompt"] for instance in instances(out / f"rm/{name}.json")}
        for name in ("train/train", "train/test", "held_out/held_out")
    }
    assert {name: len(prompts) for name, prompts in pairs.items()}["train/train"] == 120
    assert not pairs["train/train"] & (pairs["train/test"] | pairs["held_out/held_out"])
    assert not pairs["train/test"] & pairs["held_out/held_out"]
    assert len(pairs["train/test"] | pairs["held_out/held_out"]) == 90
    assert instances(out / "rm/train/train.json")[0] == {
        "prompt": "###Human: What about helpful-base train 0?###Assistant:",
        "chosen": " 0 is fine.",
        "rejected": " No.",
    }
    assert texts(out, "sft/train.json")[0] == (
        "###Human: What about helpful-base train 0?###Assistant: 0 is fine."
    )
    assert {*texts(out, "rlhf/rlhf_prompt/train.json")} == pairs["train/train"]
    halves = [texts(out, f"rlhf/rlhf_eval/{half}_half.json") for half in ("first", "second")]
    assert [len(half) for half in halves] == [45, 45]
    assert {*halves[0], *halves[1]} == pairs["train/test"] | pairs["held_out/held_out"]
    shown = capsys.readouterr().out
    assert re.search(r"helpful-rejection-sampled/test\.jsonl\.gz +30 +30 ", shown)
    assert "0 comparisons dropped (none)" in shown


def test_every_file_passes_inspection(tmp_path: Path) -> None:
    out = prepare(tmp_path / "out", whole_source(tmp_path / "source"))
    found = {str(path.relative_to(out)): inspect(path) for path in data_sets(out)}
    assert {name: (inspection.kind, inspection.form) for name, inspection in found.items()} == {
        "rlhf/rlhf_eval": ("text_only", Form.PROMPT),
        "rlhf/rlhf_prompt": ("text_only", Form.PROMPT),
        "rm/held_out": ("paired_text_to_text", Form.DIALOGUE),
        "rm/train": ("paired_text_to_text", Form.DIALOGUE),
        "sft": ("text_only", Form.DIALOGUE),
    }
    assert len(found["rm/train"].texts["prompt"]) + len(found["rm/held_out"].texts["prompt"]) == 210


def test_what_is_dropped_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = [
        comparison("equal", "x", "x"),
        comparison("empty", "", "x"),
        (anthropic("a", "b"), anthropic("c", "d")),
    ]
    files = {"helpful-base/train": [*questions("a", 5), *bad], "helpful-base/test": questions("b", 5)}
    out = prepare(tmp_path / "out", write_source(tmp_path / "source", files))
    manifest = json.loads((out / "manifest.json").read_text())
    dropped = {"a reply is empty": 1, "prompts differ": 1, "replies are equal": 1}
    assert manifest["read"][0] == {
        "file": "helpful-base/train.jsonl.gz",
        "comparisons": 8,
        "kept": 5,
        "dropped": dropped,
    }
    assert len(instances(out / "sft/train.json")) == 5
    shown = capsys.readouterr().out
    assert "3 comparisons dropped (a reply is empty: 1, prompts differ: 1, replies are equal: 1)" in shown
    assert "helpful-online: not in" in shown


def test_a_leaked_test_row_is_in_no_file_but_training(tmp_path: Path) -> None:
    files = {
        "helpful-base/train": [comparison("shared"), *questions("a", 20)],
        "helpful-base/test": [comparison("Shared ", "other"), *questions("b", 20)],
    }
    out = prepare(tmp_path / "out", write_source(tmp_path / "source", files))
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["test_rows_dropped_as_leaks"] == 1
    for name, content in snapshot(out).items():
        if name.startswith(("rm/held_out", "rm/train/test", "rlhf/rlhf_eval")):
            assert b"hared" not in content, name


@pytest.mark.parametrize("options", [(), ("--train_share", "0.8")])
def test_test_files_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    files = {f"{name}/test": questions(name, 100) for name in ("helpful-base", "harmless-base")}
    source = write_source(tmp_path / "source", files)
    out = prepare(tmp_path / "out", source, "--subsets", "helpful-base", "harmless-base", *options)
    shown = capsys.readouterr().out
    assert "helpful-base has no train file" in shown
    made = {name for name in snapshot(out) if "test" not in name and name.endswith("train.json")}
    if not options:
        assert made == set()
        assert "sft/train.json: not made" in shown
        assert (
            len(instances(out / "rm/train/test.json")) + len(instances(out / "rm/held_out/held_out.json"))
            == 200
        )
        return
    assert made == {"sft/train.json", "rm/train/train.json", "rlhf/rlhf_prompt/train.json"}
    train = {*texts(out, "rlhf/rlhf_prompt/train.json")}
    halves = [{*texts(out, f"rlhf/rlhf_eval/{half}_half.json")} for half in ("first", "second")]
    assert len(train) == pytest.approx(160, abs=25)
    assert len(train | halves[0] | halves[1]) == 200 == len(train) + len(halves[0]) + len(halves[1])


def test_subsets_are_those_asked_for(tmp_path: Path) -> None:
    source = whole_source(tmp_path / "source")
    write_source(
        source, {"harmless-base/train": questions("harm", 9), "harmless-base/test": questions("h", 9)}
    )
    assert b"harm" not in (prepare(tmp_path / "helpful", source) / "sft/train.json").read_bytes()
    out = prepare(tmp_path / "out", source, "--subsets", "harmless-base")
    assert len(instances(out / "sft/train.json")) == 9


def test_the_tokenizer_measures_prompts(tmp_path: Path) -> None:
    tokenizer = make_learner(tmp_path / "model")
    rows = [comparison("the " * count) for count in (5, 40)]
    files = {"helpful-base/train": rows, "helpful-base/test": questions("b", 9)}
    source = write_source(tmp_path / "source", files)
    limit = ("--max_prompt_tokens", "30")
    estimated = prepare(tmp_path / "estimated", source, *limit)
    assert len(instances(estimated / "rlhf/rlhf_prompt/train.json")) == 1
    # Of the tokenizer's words, "###Human:" and "###Assistant:" are 6 tokens and each "the" is one.
    counted = prepare(
        tmp_path / "counted", source, "--tokenizer", str(tokenizer), "--max_prompt_tokens", "46"
    )
    assert len(instances(counted / "rlhf/rlhf_prompt/train.json")) == 2
    fewer = prepare(tmp_path / "fewer", source, "--tokenizer", str(tokenizer), "--max_prompt_tokens", "45")
    assert len(instances(fewer / "rlhf/rlhf_prompt/train.json")) == 1


def test_done_is_done_until_something_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = whole_source(tmp_path / "source")
    out = prepare(tmp_path / "out", source)
    first = snapshot(out)
    inode = out.stat().st_ino
    capsys.readouterr()
    prepare(out, source)
    assert "is there already" in capsys.readouterr().err
    assert out.stat().st_ino == inode
    for changed in (("--seed", "1"), ("--max_prompt_tokens", "9")):
        with pytest.raises(
            UserError, match=r"out exists already: choose another, or replace it with --overwrite"
        ):
            prepare(out, source, *changed)
    prepare(out, source, "--seed", "1", "--overwrite")
    assert snapshot(out) != first
    prepare(out, source, "--overwrite")
    assert snapshot(out) == first
    (out / "sft/train.json").write_text("{}")
    with pytest.raises(UserError, match="exists already"):
        prepare(out, source)
    prepare(out, source, "--overwrite")
    assert snapshot(out) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_a_folder_of_others_is_never_replaced(tmp_path: Path) -> None:
    source = whole_source(tmp_path / "source")
    other = tmp_path / "other"
    other.mkdir()
    (other / "diary.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds no manifest\.json, so ama did not write it"):
        prepare(other, source, "--overwrite")
    with pytest.raises(UserError, match="lies in the input folder"):
        prepare(source / "out", source)
    assert (other / "diary.txt").read_text() == "mine"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = whole_source(tmp_path_factory.mktemp("hub") / "source")
    with serving() as server:
        server.push("datasets/Anthropic/hh-rlhf", folder)
        yield server


def _from_hub(endpoint: str, cache: Path, out: Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0"}
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HH_RLHF_SOURCE"):
        variables.pop(name, None)
    command = [sys.executable, "-m", "ama.prepare_hh_rlhf", str(out), "--revision", "main"]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_the_hub_gives_the_same_as_a_folder_and_its_cache_is_enough(hub: Hub, tmp_path: Path) -> None:
    done = _from_hub(hub.url, tmp_path / "cache", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    folder, _ = hub.at("datasets/Anthropic/hh-rlhf", "main")
    local = snapshot(prepare(tmp_path / "local", folder))
    fetched = snapshot(tmp_path / "out")
    manifests = [json.loads(content.pop("manifest.json")) for content in (local, fetched)]
    assert local == fetched
    assert manifests[0]["origin"] == manifests[1]["origin"]
    assert manifests[1]["source"] == "Anthropic/hh-rlhf at main"
    assert len([name for name in hub.fetched if name.endswith(".jsonl.gz")]) == 2 * len(HELPFUL)
    offline = _from_hub(NOWHERE, tmp_path / "cache", tmp_path / "again")
    assert offline.returncode == 0, offline.stderr
    assert snapshot(tmp_path / "again") == snapshot(tmp_path / "out")


def test_without_internet_one_line_says_what_to_do(tmp_path: Path) -> None:
    done = _from_hub(NOWHERE, tmp_path / "cache", tmp_path / "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "the hub can't be reached" in done.stderr
    assert "set HH_RLHF_SOURCE=DIR, a local copy with SUBSET/{train,test}.jsonl.gz" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--source", "nowhere"), "no such folder: nowhere; without internet set HH_RLHF_SOURCE=DIR"),
        (("--source", "empty"), "empty has none of the subsets helpful-base, helpful-online"),
        (("--subsets", "helpful"), "--subsets helpful: there is none of this name; choose from helpful-base"),
        (("--subsets", "harmless-base"), "source has no harmless-base/train.jsonl.gz and no"),
        (("--train_share", "2"), "--train_share 2.0: give a number in (0, 1)"),
        (("--leak", "all"), "--leak: 'all' is not prompt or opening"),
        (("--tokenizer", "empty"), "empty: not a model folder (no config.json)"),
        (("--max_prompt_tokens", "0"), "--max_prompt_tokens 0: give 1 or more"),
        (("--source", "broken"), "broken/helpful-base/train.jsonl.gz is no whole gzip file"),
        (("--source", "useless"), "no comparison is left"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    whole_source(Path("source"), 3, 3)
    cut = write_file(Path("broken/helpful-base/train.jsonl.gz"), questions("a", 50))
    cut.write_bytes(cut.read_bytes()[:-20])
    write_file(Path("useless/helpful-base/train.jsonl.gz"), [comparison("a", "x", "x")])
    before = snapshot(Path())
    assert said in complaint(capsys, main, "out", "--source", "source", *options)
    assert snapshot(Path()) == before
