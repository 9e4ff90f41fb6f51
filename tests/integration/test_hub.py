"""Models from the hub: a small one on this machine, asked by the real client in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import yaml
from support.hub import Hub, serving
from support.tiny import load, make_bin, make_llama, make_tokenizer

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    root = tmp_path_factory.mktemp("hub")
    with serving() as server:
        for seed, (repo, name) in enumerate(
            [("lab/before", "main"), ("lab/before", "v2"), ("lab/after", "main"), ("lab/after", "step-100")]
        ):
            folder = make_tokenizer(make_llama(root / f"{seed}", seed))
            if name == "v2":
                make_bin(folder, load(folder), shards=2)
            else:
                (folder / "pytorch_model.bin").write_bytes(b"the same weights again")
            _clutter(folder)
            server.push(repo, folder, name)
        yield server


def _clutter(folder: Path) -> None:
    """Add what repositories hold beside the model that a merge reads."""
    for name in ("onnx/model.safetensors", "original/config.json", "checkpoint-9/pytorch_model.bin"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(b"not needed")
    for name in ("README.md", "consolidated.safetensors", "training_args.bin", "model.gguf"):
        (folder / name).write_bytes(b"not needed")


def merge(
    endpoint: str, cache: Path, out: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    asked = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0"}
    variables = {**os.environ, **asked, **environment}
    for name in ("HF_HUB_CACHE", "HF_TOKEN"):
        variables.pop(name, None)
    models = ["--before", "lab/before", "--after", "lab/after", "--alpha", "0.3", "--out", str(out)]
    command = [sys.executable, "-m", "ama.interpolate", *models, *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def expect(out: Path, before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> None:
    merged = load(out)
    assert merged.keys() == before.keys()
    for name, value in merged.items():
        exact = 0.3 * before[name].double() + 0.7 * after[name].double()
        torch.testing.assert_close(value.double(), exact, rtol=2e-7, atol=1e-9)


@pytest.fixture(scope="module")
def cache(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that holds lab/before and lab/after as a merge has left them."""
    folder = tmp_path_factory.mktemp("cache")
    done = merge(hub.url, folder, folder / "out")
    assert done.returncode == 0, done.stderr
    return folder


def test_only_what_a_merge_needs_is_fetched(hub: Hub, cache: Path) -> None:
    snapshots = {}
    for repo in ("lab/before", "lab/after"):
        _, commit = hub.at(repo, "main")
        snapshot = cache / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots" / commit
        snapshots[repo] = {str(file.relative_to(snapshot)) for file in snapshot.rglob("*")}
    needed = {"config.json", "generation_config.json", "model.safetensors"}
    needed |= {"tokenizer.json", "tokenizer_config.json"}
    assert snapshots == {"lab/before": needed, "lab/after": needed}


def test_the_result_names_models_and_commits(hub: Hub, cache: Path) -> None:
    (before, before_commit), (after, after_commit) = (
        hub.at(repo, "main") for repo in ("lab/before", "lab/after")
    )
    expect(cache / "out", load(before), load(after))
    record = json.loads((cache / "out" / "ama_merge.json").read_text())
    assert (record["before"]["model"], record["before"]["revision"]) == ("lab/before", before_commit)
    assert (record["after"]["model"], record["after"]["revision"]) == ("lab/after", after_commit)
    card = yaml.safe_load((cache / "out" / "README.md").read_text().split("---\n")[1])
    assert card["base_model"] == ["lab/before", "lab/after"]
    assert card["base_model_relation"] == "merge"
    recipe = yaml.safe_load((cache / "out" / "mergekit.yaml").read_text())
    references = [model["model"] for model in recipe["models"]]
    assert references == [f"lab/before@{before_commit}", f"lab/after@{after_commit}"]
    assert not (cache / "out" / "config.json").is_symlink()


def test_revisions_and_bin_files_are_fetched(hub: Hub, tmp_path: Path) -> None:
    (before, before_commit), (after, after_commit) = (
        hub.at("lab/before", "v2"),
        hub.at("lab/after", "step-100"),
    )
    fetched = len(hub.fetched)
    options = ("--revision", "step-100", "--before_revision", "v2")
    done = merge(hub.url, tmp_path / "cache", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    stored: dict[str, torch.Tensor] = {}
    for shard in before.glob("*-of-*.bin"):
        stored |= torch.load(shard)
    expect(tmp_path / "out", stored, load(after))
    weights = sorted(name for name in hub.fetched[fetched:] if name.endswith((".bin", ".safetensors")))
    shards = [f"pytorch_model-{number:05d}-of-00002.bin" for number in (1, 2)]
    assert weights == sorted(
        [f"lab/after/{after_commit}/model.safetensors"]
        + [f"lab/before/{before_commit}/{name}" for name in shards]
    )


@pytest.mark.parametrize(
    "where", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": NOWHERE}], ids=["offline", "no-network"]
)
def test_the_cache_is_enough(hub: Hub, cache: Path, where: dict[str, str], tmp_path: Path) -> None:
    fetched = len(hub.fetched)
    endpoint = where.get("HF_ENDPOINT", hub.url)
    done = merge(endpoint, cache, tmp_path / "out", HF_HUB_OFFLINE=where.get("HF_HUB_OFFLINE", "0"))
    assert done.returncode == 0, done.stderr
    assert len(hub.fetched) == fetched
    again, first = (
        (folder / "model.safetensors").read_bytes() for folder in (tmp_path / "out", cache / "out")
    )
    assert again == first


def test_what_can_not_be_had_is_told_in_one_line(hub: Hub, cache: Path, tmp_path: Path) -> None:
    no_such_model, no_such_revision = ("--after", "lab/none"), ("--after_revision", "v9")
    empty, offline = tmp_path / "empty", {"HF_HUB_OFFLINE": "1"}
    with ThreadPoolExecutor(2) as pool:
        runs = {
            "lab/none is": pool.submit(merge, hub.url, cache, tmp_path / "1", *no_such_model),
            "lab/after at revision v9 is": pool.submit(
                merge, hub.url, cache, tmp_path / "2", *no_such_revision
            ),
            "lab/before is": pool.submit(merge, NOWHERE, empty, tmp_path / "3"),
            "lab/before ": pool.submit(merge, hub.url, empty, tmp_path / "4", **offline),
        }
    reasons = (
        "none of this name",
        "no such branch, tag or commit",
        "can't be reached",
        "HF_HUB_OFFLINE is set",
    )
    for (model, run), reason in zip(runs.items(), reasons, strict=True):
        done = run.result()
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert done.stderr.startswith(f"error: {model}"), done.stderr
        assert reason in done.stderr
    assert not [path for path in tmp_path.iterdir() if path != empty]
