"""Merges that are killed: what stands at the target is whole, and the next run starts clean."""

import json
import multiprocessing
import random
import shutil
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import torch
import xxhash
from safetensors.torch import save_file
from support.merging import merge

from ama.checkpoint.staging import staging_of

KILLS = 20
LAYERS = 12
WIDTH = 768
# Milliseconds would pass between a look and the next with a longer nap.
NAP = 0.001

Snapshot = dict[str, str]


def make_model(folder: Path, seed: int) -> Path:
    """Write a Llama of 113 MB without building it: random matrices under its names."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"model.embed_tokens.weight": (4096, WIDTH), "model.norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "o"):
            shapes[f"model.layers.{layer}.self_attn.{name}_proj.weight"] = (WIDTH, WIDTH)
    folder.mkdir()
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": LAYERS}
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    return folder


def snapshot(folder: Path) -> Snapshot:
    """Return a hash of each file; of ama_merge.json only what does not change with date and command."""
    found = {}
    for path in folder.iterdir():
        content = path.read_bytes()
        if path.name == "ama_merge.json":
            record = json.loads(content)
            content = json.dumps([record["merged"], record["schedule"]]).encode()
        found[path.name] = xxhash.xxh3_128_hexdigest(content)
    return found


class Stage:
    """A folder with two models, and merges of the two that can be watched and killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = folder / "out"
        self.before, self.after = make_model(folder / "before", 1), make_model(folder / "after", 2)
        self.context = multiprocessing.get_context("forkserver")
        self.results: dict[str, Snapshot] = {}
        self.seconds = 0.0

    def start(self, alpha: str, *options: str) -> ForkServerProcess:
        models = ["--before", str(self.before), "--after", str(self.after), "--out", str(self.target)]
        settings = ["--alpha", alpha, "--max_shard_size", "10MB", "--threads", "1", *options]
        process = self.context.Process(target=merge, args=([*models, *settings],))
        process.start()
        return process

    def finish(self, alpha: str, *options: str) -> Snapshot:
        process = self.start(alpha, *options)
        process.join(120)
        assert process.exitcode == 0
        return snapshot(self.target)

    def measure(self) -> None:
        """Make both results once, and time the second from its staging folder to its end."""
        self.finish("0.3")
        shutil.rmtree(self.target)
        process = self.start("0.3")
        self.await_staging(process)
        begin = time.perf_counter()
        process.join(120)
        self.seconds = time.perf_counter() - begin
        self.results["0.3"] = snapshot(self.target)
        self.results["0.6"] = self.finish("0.6", "--overwrite")
        assert self.results["0.3"] != self.results["0.6"]

    def await_staging(self, process: ForkServerProcess) -> None:
        while not staging_of(self.target).exists() and process.is_alive():
            time.sleep(NAP)

    def kill(self, process: ForkServerProcess) -> int:
        """Kill a merge, and return how many weight files it had begun, -1 if it was not writing."""
        process.kill()
        process.join(60)
        assert process.exitcode in (-9, 0)
        staging = staging_of(self.target)
        return len(list(staging.glob("*.safetensors"))) if staging.exists() else -1

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("kill")
    with pytest.MonkeyPatch.context() as patch:
        # The fork server's own module path, from which it preloads.
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")
        multiprocessing.set_forkserver_preload(["support.merging"])
        stage = Stage(folder)
        stage.measure()
        yield stage
    shutil.rmtree(folder)


@pytest.fixture
def clean(stage: Stage) -> Stage:
    shutil.rmtree(stage.target, ignore_errors=True)
    return stage


def check_spread(counts: list[int]) -> None:
    """See that the kills hit the merge while it wrote, early and late."""
    writing = [count for count in counts if count >= 0]
    assert len(writing) >= KILLS // 2, counts
    assert len(set(writing)) >= 4, counts


@pytest.mark.slow
def test_killed_merges_leave_no_target(clean: Stage) -> None:
    rng = random.Random(1)
    counts = []
    for number in range(KILLS):
        process = clean.start("0.3")
        if number % 10:
            clean.await_staging(process)
        time.sleep(rng.uniform(0, 1.15 * clean.seconds))
        counts.append(clean.kill(process))
        if clean.target.exists():
            assert snapshot(clean.target) == clean.results["0.3"]
            shutil.rmtree(clean.target)
    check_spread(counts)
    assert clean.finish("0.3") == clean.results["0.3"]
    assert clean.names() == {"before", "after", "out"}


@pytest.mark.slow
def test_killed_merges_leave_the_old_target_or_the_new_one(clean: Stage) -> None:
    rng = random.Random(2)
    clean.finish("0.3")
    counts = []
    stands = "0.3"
    for number in range(KILLS):
        other = "0.6" if stands == "0.3" else "0.3"
        process = clean.start(other, "--overwrite")
        if number % 10:
            clean.await_staging(process)
        end = time.perf_counter() + rng.uniform(0, 1.15 * clean.seconds)
        while time.perf_counter() < end:
            assert alpha_at(clean.target) in (stands, other)
            time.sleep(NAP)
        counts.append(clean.kill(process))
        now = alpha_at(clean.target)
        assert snapshot(clean.target) == clean.results[now]
        assert now in (stands, other)
        stands = now
    check_spread(counts)
    # Kills seldom hit the moment of the exchange, so that one is looked at without a pause.
    for alpha in ("0.3", "0.6", "0.3"):
        process = clean.start(alpha, "--overwrite")
        while process.is_alive():
            alpha_at(clean.target)
        assert process.exitcode == 0
        assert snapshot(clean.target) == clean.results[alpha]
        assert clean.names() == {"before", "after", "out"}


def alpha_at(target: Path) -> str:
    """Read which result stands at the target, in one look that fails if there is none at that moment."""
    return str(json.loads((target / "ama_merge.json").read_bytes())["schedule"]["ratio"])
