"""Two processes learn what one learns at the same global batch, by every launcher."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.masking import optimize_arguments, save_scene

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "deepspeed"
WAYS = ["torchrun", "accelerate", "zero2"]
STEPS = ("--mask_level", "lblock3", "--max_steps", "3", "--lr", "0.05")


def _port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _torchrun() -> list[str]:
    return ["torchrun", "--standalone", "--nproc_per_node", "2", "-m", "ama.optimize_masks"]


def _accelerate() -> list[str]:
    launch = ["accelerate", "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", _port()]
    return [*launch, "-m", "ama.optimize_masks"]


def _deepspeed() -> list[str]:
    launch = ["deepspeed", "--num_accelerators", "2", "--no_local_rank", "--master_port", _port()]
    return [*launch, "--module", "ama.optimize_masks"]


def _run(command: list[str], extensions: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "ACCELERATE_USE_CPU": "1"}
    environment.setdefault("TORCH_EXTENSIONS_DIR", str(extensions))
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for what DeepSpeed compiles, the same for all tests of this run."""
    return tmp_path_factory.mktemp("extensions")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_scene(tmp_path_factory.mktemp("scene"))


def _ratios(scene: Path, name: str, launcher: list[str], extensions: Path, *arguments: str) -> list[float]:
    out = scene / name
    _run([*launcher, *optimize_arguments(scene, *STEPS, "--output_dir", str(out), *arguments)], extensions)
    ratios: dict[str, float] = json.loads((out / "mask_alphas.json").read_text())["ratios"]
    return list(ratios.values())


@pytest.fixture(scope="module")
def single(scene: Path, extensions: Path) -> list[float]:
    ratios = _ratios(scene, "single", [sys.executable, "-m", "ama.optimize_masks"], extensions)
    assert max(ratios) - min(ratios) > 1e-3
    return ratios


@pytest.mark.parametrize("way", WAYS)
def test_two_processes_learn_what_one_learns(
    scene: Path, single: list[float], extensions: Path, way: str
) -> None:
    launcher = {"torchrun": _torchrun, "accelerate": _accelerate}.get(way, _deepspeed)()
    arguments = ["--per_device_train_batch_size", "2"]
    if way.startswith("zero"):
        arguments += ["--deepspeed", str(CONFIGS / f"ds_config_{way}.json")]
    assert _ratios(scene, way, launcher, extensions, *arguments) == pytest.approx(single, abs=1e-5)
