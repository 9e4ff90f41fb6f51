"""Merges under mpirun: the same files as from one process, one voice, and no rank that waits for ever."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.command import interpolate
from support.tiny import make_pair

from ama.averaging.layout import lay_out
from ama.averaging.plan import plan_merge
from ama.averaging.schedules.schedule import Schedule
from ama.averaging.stream import shards_of_rank
from ama.checkpoint.resolve import open_pair

pytestmark = pytest.mark.slow
SHARD_BYTES = 20_000
SETTINGS = ("--alpha", "0.3", "--max_shard_size", f"{SHARD_BYTES}B")
TIMEOUT = 120


def merge_on_ranks(count: int, before: Path, after: Path, out: Path, *options: str) -> tuple[int, str]:
    """Run the command under mpirun; return its status and what all ranks say."""
    program = Path(sys.executable).with_name("mpirun")
    arguments = ["--before", str(before), "--after", str(after), "--out", str(out), *options]
    mpi = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    with subprocess.Popen(
        [program, "--oversubscribe", "-np", str(count), sys.executable, "-m", "ama.interpolate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | mpi,
        start_new_session=True,
    ) as process:
        try:
            said = process.communicate(timeout=TIMEOUT)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"a rank hangs; so far they said {process.communicate()[0]!r}")
    return process.returncode, said


def files(folder: Path) -> dict[str, bytes]:
    """Return all files whose content is the same in each run: not those that hold the date or the command."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "ama_merge.json"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("pair"), torch.bfloat16)


def tensors_of_rank(rank: int, pair: tuple[Path, Path]) -> list[str]:
    plan = plan_merge(*open_pair(str(pair[0]), str(pair[1]), (None, None)), Schedule(0.3))
    return [
        tensor.site.name
        for shard in shards_of_rank(lay_out(plan.tensors, SHARD_BYTES), rank, 2)
        for tensor in shard.tensors
    ]


def test_two_ranks_write_what_one_process_writes(pair: tuple[Path, Path], tmp_path: Path) -> None:
    status, said = merge_on_ranks(2, *pair, tmp_path / "two", *SETTINGS)
    assert status == 0, said
    assert said.startswith(f"{tmp_path / 'two'}: ")
    assert said.count("\n") == 1
    one = files(interpolate(*pair, tmp_path / "one", *SETTINGS))
    assert files(tmp_path / "two") == one
    assert len([name for name in one if name.endswith(".safetensors")]) >= 4
    assert {"config.json", "model.safetensors.index.json", "mergekit.yaml"} <= one.keys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_more_ranks_than_files(pair: tuple[Path, Path], tmp_path: Path) -> None:
    status, said = merge_on_ranks(3, *pair, tmp_path / "three", "--alpha", "0.3")
    assert status == 0, said
    assert said.count("mean ratio") == 1
    assert files(tmp_path / "three") == files(interpolate(*pair, tmp_path / "one", "--alpha", "0.3"))


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_on_one_rank_ends_all(pair: tuple[Path, Path], tmp_path: Path, rank: int) -> None:
    name = tensors_of_rank(rank, pair)[-1]
    after = tmp_path / "after"
    after.mkdir()
    (after / "config.json").write_bytes((pair[1] / "config.json").read_bytes())
    state = load_file(pair[1] / "model.safetensors")
    state[name][0] = float("nan")
    save_file(state, after / "model.safetensors", {"format": "pt"})
    status, said = merge_on_ranks(2, pair[0], after, tmp_path / "out", *SETTINGS)
    check_refusal(status, said, f"tensor '{name}' of the result is not finite")
    assert [path.name for path in tmp_path.iterdir()] == ["after"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--alpha", "1.5"), "--ratio: ratio 1.5 lies outside [0, 1]"),
        (("--alpha", "0.3", "--threads", "0"), "--threads 0: give 1 or more"),
        (("--alpha", "0.3", "--schedule", "split|0#9|0.4|0.3|0.2"), "pivot 9 leaves no layer for the last"),
    ],
)
def test_an_error_of_all_ranks_is_said_once(
    pair: tuple[Path, Path], tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    status, said = merge_on_ranks(2, *pair, tmp_path / "out", *options)
    check_refusal(status, said, message)
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_only_the_first_rank_meets(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    status, said = merge_on_ranks(2, *pair, out, *SETTINGS)
    check_refusal(status, said, f"output {out} exists already")
    assert list(out.iterdir()) == []
    assert list(tmp_path.iterdir()) == [out]


def check_refusal(status: int, said: str, message: str) -> None:
    assert status == 2, said
    assert said.count("error: ") == 1, said
    assert f"error: {message}" in said
    assert "Traceback" not in said
