"""Time and peak memory of processes, the floor that reading and writing sets, and facts of the machine."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CHUNK = 8 << 20


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        seconds: wall time.
        peak: peak resident memory of the process in bytes, 0 where none was started.
        output: what it printed.
    """

    seconds: float
    peak: int = 0
    output: str = ""


def run(command: Sequence[str | Path]) -> Run:
    """Run a command to its end; its stderr is shown if it fails.

    Linux counts the size of the process that forks towards its child's peak, so the caller must be small.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    output, errors = process.stdout, process.stderr
    assert output is not None
    assert errors is not None
    text, said = output.read(), errors.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{said}")
    return Run(seconds, usage.ru_maxrss * 1024, text)


def floor(before: Path, after: Path, out: Path, *, synced: bool) -> Run:
    """Read both models' weight files and write as many bytes as one of them has: one thread, plain calls."""
    buffer = memoryview(bytearray(CHUNK))
    out.mkdir()
    start = time.perf_counter()
    for source in sorted(before.glob("*.safetensors")):
        with (
            source.open("rb", 0) as first,
            (after / source.name).open("rb", 0) as second,
            (out / source.name).open("wb", 0) as target,
        ):
            while size := first.readinto(buffer):
                second.readinto(buffer[:size])
                target.write(buffer[:size])
            if synced:
                os.fsync(target.fileno())
    return Run(time.perf_counter() - start)


def settle(*folders: Path) -> None:
    """Delete folders and wait until the disk has nothing left to write."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os.sync()


def warm(*folders: Path) -> None:
    """Read the weight files of models into the page cache."""
    buffer = bytearray(CHUNK)
    for path in (path for folder in folders for path in folder.glob("*.safetensors")):
        with path.open("rb", 0) as stream:
            while stream.readinto(buffer):
                pass


def machine() -> str:
    """Return processor, cores, memory, system and disk."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    name = models[0].partition(": ")[2] if models else platform.machine()
    cores = len(os.sched_getaffinity(0))
    return f"{name}, {cores} cores, {memory:.0f} GB, {platform.system()} {platform.release()}"
