"""Two processes learn what one learns at the same global batch, by every launcher, also after a kill."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import warm
from support.hosts import accelerate_launch, free_port, kill_all, two_hosts
from support.masking import optimize_arguments, save_scene

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs" / "deepspeed"
SHARE = ("--per_device_train_batch_size", "2")
LEVEL = ("--mask_level", "lblock3", "--lr", "0.05")
STEPS = (*LEVEL, "--max_steps", "3")
ALL = ("--scope", "all", "--retain_weight", "0.5", *STEPS)
WALK = (
    "--approach",
    "free_sigmoid",
    "--targets",
    "soft",
    "--scope",
    "all",
    "--lr",
    "0.3",
    "--max_steps",
    "3",
)
WALK += ("--retain_samples", "8", "--price", "0.1", "1", "--mask_level")
FREE = (("row", 2), ("element", 3))


def _torchrun() -> list[str]:
    return ["torchrun", "--standalone", "--nproc_per_node", "2", "-m", "ama.optimize_masks"]


def _deepspeed(module: str = "ama.optimize_masks") -> list[str]:
    launch = ["deepspeed", "--num_accelerators", "2", "--no_local_rank", "--master_port", free_port()]
    return [*launch, "--module", module]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Return variables of a run on CPUs."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    paths = (str(ROOT / "tests"), str(ROOT / "src"), os.environ.get("PYTHONPATH", ""))
    variables["PYTHONPATH"] = os.pathsep.join(paths)
    return variables


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_scene(tmp_path_factory.mktemp("scene"))


def _ratios(out: Path, kind: str) -> list[float]:
    """Return the ratios of a run, and check how its processes worked together."""
    content = json.loads((out / "mask_alphas.json").read_text())
    assert content["parallel"] == kind
    assert content["processes"] == (1 if kind == "NO" else 2)
    return list(content["ratios"].values())


def _learn(launcher: list[str], out: Path, environment: dict[str, str], *arguments: str) -> None:
    _run([*launcher, *_arguments(out, *arguments)], environment)


def _arguments(out: Path, *arguments: str) -> list[str]:
    return optimize_arguments(out.parent, "--output_dir", str(out), *arguments)


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def _alone(out: Path, *arguments: str) -> list[float]:
    """Return what one process learns."""
    _learn([warm.python(), "-m", "ama.optimize_masks"], out, warm.variables(), *arguments)
    ratios = _ratios(out, "NO")
    assert max(ratios) - min(ratios) > 1e-3
    return ratios


@pytest.fixture(scope="module")
def single(scene: Path) -> list[float]:
    return _alone(scene / "single", *STEPS)


def _zero(stage: int) -> tuple[str, ...]:
    return (*SHARE, "--deepspeed", str(CONFIGS / f"ds_config_zero{stage}.json"))


LONG = (*LEVEL, "--max_steps", "20", "--save_steps", "2", *_zero(3))


@pytest.fixture(scope="module")
def cut(scene: Path, environment: dict[str, str]) -> Path:
    """The folder of a learning under DeepSpeed that was killed after its first checkpoint."""
    out = scene / "cut"
    launcher = subprocess.Popen(
        [*_deepspeed(), *_arguments(out, *LONG)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # DeepSpeed compiles an operation first.
    deadline = time.monotonic() + 900
    while not list(out.glob("checkpoint-*/trainer_state.json")):
        assert launcher.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kill_all(launcher)
    assert not (out / "mask_alphas.bin").exists()
    for state in out.glob("checkpoint-*/global_step*/*model_states.pt"):
        # The run's own files. Frozen weights are not in them.
        content = torch.load(state, weights_only=False)
        assert {name.split(".")[0] for name in content["module"]} <= {"learned_ratios"}
        assert not content.get("frozen_param_fragments")
    return out


@pytest.fixture(scope="module")
def sharded(scene: Path, cut: Path, environment: dict[str, str]) -> Path:
    """A folder with what two processes learn under DeepSpeed, in one launch of seven learnings."""
    learnings = {"cut": LONG, "zero2": (*STEPS, *_zero(2)), "zero3": (*STEPS, *_zero(3))}
    learnings |= {"all3": (*ALL, *_zero(3)), "whole": LONG}
    learnings |= {f"{level}{stage}": (*WALK, level, *_zero(stage)) for level, stage in FREE}
    path = scene / "learnings.json"
    path.write_text(json.dumps([_arguments(scene / name, *words) for name, words in learnings.items()]))
    _run([*_deepspeed("support.learnings"), str(path)], environment)
    return scene


@pytest.mark.parametrize("way", ["torchrun", "accelerate"])
def test_two_processes_learn_what_one_learns(
    scene: Path, single: list[float], environment: dict[str, str], way: str
) -> None:
    launcher = _torchrun() if way == "torchrun" else [*accelerate_launch(), "ama.optimize_masks"]
    _learn(launcher, scene / way, {**environment, "ACCELERATE_USE_CPU": "1"}, *STEPS, *SHARE)
    assert _ratios(scene / way, "MULTI_CPU") == pytest.approx(single, abs=1e-5)


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_learns_what_one_process_learns(sharded: Path, single: list[float], stage: int) -> None:
    assert _ratios(sharded / f"zero{stage}", "DEEPSPEED") == pytest.approx(single, abs=1e-5)


def test_zero3_shards_every_parameter_and_the_retain_samples(sharded: Path) -> None:
    expected = _alone(sharded / "all", *ALL)
    assert _ratios(sharded / "all3", "DEEPSPEED") == pytest.approx(expected, abs=1e-5)


@pytest.fixture(scope="module")
def walks(scene: Path) -> Path:
    """A folder with what one process learns of free ratios."""
    for level in ("row", "element"):
        command = [warm.python(), "-m", "ama.optimize_masks"]
        _learn(command, scene / f"alone_{level}", warm.variables(), *WALK, level)
    return scene


def _expect_same_walk(out: Path, alone: Path, kind: str) -> None:
    record = json.loads((out / "mask_alphas.json").read_text())
    assert (record["parallel"], record["processes"]) == (kind, 2)
    for price in ("0.1", "1"):
        found, expected = (load_file(path / f"price-{price}" / "model.safetensors") for path in (out, alone))
        assert found.keys() == expected.keys()
        ratios, others = (
            torch.cat([values.float().flatten() for _, values in sorted(held.items())])
            for held in (found, expected)
        )
        assert others.std() > 0.05
        # Adam's first steps follow the sign of a gradient, which rounding decides where it is all but 0.
        assert (ratios - others).abs().quantile(0.98) <= 2e-3


def test_two_processes_walk_as_one(walks: Path, environment: dict[str, str]) -> None:
    _learn(_torchrun(), walks / "two", {**environment, "ACCELERATE_USE_CPU": "1"}, *WALK, "row", *SHARE)
    _expect_same_walk(walks / "two", walks / "alone_row", "MULTI_CPU")


@pytest.mark.parametrize(("level", "stage"), FREE)
def test_deepspeed_walks_as_one_process_does(sharded: Path, walks: Path, level: str, stage: int) -> None:
    _expect_same_walk(sharded / f"{level}{stage}", walks / f"alone_{level}", "DEEPSPEED")


def test_the_recipe_on_two_hosts(scene: Path, single: list[float], environment: dict[str, str]) -> None:
    out = scene / "hosts_masks"
    hostfile, variables = two_hosts(scene, environment)
    places = {
        "model_path0": "before",
        "model_path": "after",
        "dataset_path": "samples.json",
        "log_path": "log",
    }
    variables |= {name: str(scene / path) for name, path in places.items()}
    variables |= {"output_dir": str(out), "hostfile": str(hostfile), "mask_level": "lblock3", "lr": "0.05"}
    recipe = CONFIGS.parents[1] / "scripts" / "mask_post" / "run_mask_finetune_raft.sh"
    command = ["bash", str(recipe), "--block_size", "16", *SHARE, "--max_steps", "3"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert _ratios(out, "DEEPSPEED") == pytest.approx(single, abs=1e-5)


def test_a_killed_deepspeed_run_goes_on_to_the_same_ratios(sharded: Path, cut: Path) -> None:
    assert _ratios(cut, "DEEPSPEED") == _ratios(sharded / "whole", "DEEPSPEED")


def test_deepspeed_without_a_launcher(scene: Path) -> None:
    command = [warm.python(), "-m", "ama.optimize_masks", *optimize_arguments(scene, *STEPS, *_zero(2))]
    variables = warm.variables(DS_ACCELERATOR="cpu")
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "start the run with deepspeed, accelerate launch or torchrun" in done.stderr
