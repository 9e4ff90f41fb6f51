"""SFT, reward model, DPO and RAFT on two processes give what one gives, under torchrun and DeepSpeed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.hosts import accelerate_launch, free_port, two_hosts
from support.polite import gain, trained_world
from support.stages import STEPS, run_stages
from support.tiny import load

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MODELS = (
    "sft",
    "reward",
    "dpo",
    "replay",
    "ema",
    "held",
    "raft/iteration_01/model",
    "raft/iteration_02/model",
)
ALONE, SHARED = ("--micro_batch", "8"), ("--micro_batch", "2")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = trained_world(tmp_path_factory.mktemp("world"))
    (world / "general.txt").write_text("w1 w2 w3 w4 w5 " * 200)
    run_stages(world, world / "alone", *ALONE)
    return world


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    paths = (str(ROOT / "tests"), str(ROOT / "src"), os.environ.get("PYTHONPATH", ""))
    variables["PYTHONPATH"] = os.pathsep.join(paths)
    return variables


@pytest.fixture(scope="module")
def shared(world: Path, environment: dict[str, str]) -> Path:
    """A folder with what two processes train, by the name of the way."""
    torchrun = ["torchrun", "--standalone", "--nproc_per_node", "2", "-m"]
    _run([*torchrun, *_stages(world, "torchrun")], environment)
    deepspeed = ["deepspeed", "--num_accelerators", "2", "--no_local_rank", "--master_port", free_port()]
    config = str(ROOT / "configs" / "deepspeed" / "ds_config_{out}.json")
    stages = _stages(world, "zero2", "zero3")
    _run([*deepspeed, "--module", *stages, "--deepspeed", config], environment)
    return world


def _stages(world: Path, *ways: str) -> list[str]:
    return ["support.stages", str(world), ",".join(str(world / way) for way in ways), *SHARED]


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-5000:]


def _distance(one: Path, other: Path) -> float:
    """Return the norm of the difference of the weights that both have, all but a fresh head."""
    first, second = load(one), load(other)
    shared = first.keys() & second.keys()
    assert len(shared) >= len(first) - 1
    return float(sum(((first[name] - second[name]) ** 2).sum() for name in shared) ** 0.5)


@pytest.mark.parametrize("way", ["torchrun", "zero2", "zero3"])
def test_two_processes_train_what_one_trains(shared: Path, way: str) -> None:
    world, out = shared, shared / way
    for name in (*MODELS, "ppo"):
        record = json.loads((out / name / "training.json").read_text())
        assert record["processes"] == 2
        assert record["parallel"] == ("MULTI_CPU" if way == "torchrun" else "DEEPSPEED")
    # Each process draws rollouts of its own, so PPO is seen to learn, but not the same.
    assert gain(world, out / "ppo") > 3
    for name in MODELS:
        alone = world / "alone" / name
        # Distillation is a mean of micro-batches; in a second iteration rounding may turn a draw.
        share = 0.05 if "iteration_02" in name else 0.01
        assert _distance(out / name, alone) < share * _distance(alone, world / "before"), name
    selected = "raft/iteration_01/selected.json"
    assert (out / selected).read_bytes() == (world / "alone" / selected).read_bytes()
    accuracies = [
        json.loads((folder / "reward" / "training.json").read_text())["accuracy"]
        for folder in (out, world / "alone")
    ]
    assert accuracies[0] == accuracies[1]
    assert not list(out.rglob("*.work"))


def test_sft_under_accelerate_launch(world: Path, environment: dict[str, str]) -> None:
    out = world / "accelerate_sft"
    places = ["--model", str(world / "before"), "--data", str(world / "sft.json"), "--out", str(out)]
    command = [*accelerate_launch(), "ama.train_sft", *places, "--block_size", "32", *STEPS, *SHARED]
    variables = {**environment, "ACCELERATE_USE_CPU": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    _check(world, out, "sft", "MULTI_CPU")


def test_the_recipe_of_dpo_at_zero_stage_0(world: Path, environment: dict[str, str]) -> None:
    out = world / "recipe_dpo"
    places = {"model_path": world / "before", "dataset_path": world / "pairs.json", "output_dir": out}
    variables = {name: str(path) for name, path in {**places, "log_path": world / "log"}.items()}
    variables |= {**environment, "num_gpus": "2", "zero_stage": "0", "DLTS_MASTER_PORT": free_port()}
    command = ["bash", str(ROOT / "scripts" / "rlhf" / "run_dpo.sh"), *STEPS, *SHARED]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    _check(world, out, "dpo", "DEEPSPEED")


def _check(world: Path, out: Path, name: str, kind: str) -> None:
    """Check that two processes trained what one trains."""
    record = json.loads((out / "training.json").read_text())
    assert (record["parallel"], record["processes"]) == (kind, 2)
    alone = world / "alone" / name
    assert _distance(out, alone) < 0.01 * _distance(alone, world / "before")


def test_the_recipe_on_two_hosts(world: Path, environment: dict[str, str]) -> None:
    hostfile, variables = two_hosts(world, environment)
    out = world / "hosts_sft"
    places = {"model_path": world / "before", "dataset_path": world / "sft.json", "output_dir": out}
    places |= {"hostfile": hostfile, "log_path": world / "log"}
    variables |= {name: str(path) for name, path in places.items()}
    variables |= {"block_size": "32", "batch": "8", "lr": "1e-3"}
    recipe = ROOT / "scripts" / "rlhf" / "run_sft.sh"
    command = ["bash", str(recipe), *SHARED, "--max_steps", "2"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((out / "training.json").read_text())
    assert (record["parallel"], record["processes"]) == ("DEEPSPEED", 2)
