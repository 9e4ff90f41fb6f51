"""A `python` that starts at once: a fork of a server that has torch and all else imported.

`python -m ama.X` imports libraries for five seconds, and the tests run it some hundred times. The stand-in
here is put first on PATH, or started in place of sys.executable. It asks the one server of the test run for a
process with its own working directory, environment, arguments, files, limits and signals. See server.py for
what it leaves to a real Python.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from support.shared import alone, run_folder

# What the tests were started with; tests change variables of their own process.
AT_START = dict(os.environ)
_HERE = Path(__file__).parent


def prepare() -> None:
    """Write the stand-in into the run's folder, for use until this process ends."""
    folder = run_folder()
    (folder / "bin").mkdir()
    (folder / "workers").mkdir()
    stand_in = folder / "bin" / "python"
    # Isolated and without site: ten milliseconds.
    stand_in.write_text(
        f'#!/bin/sh\nexec {sys.executable} -ISE {_HERE / "client.py"} {folder} {sys.executable} "$@"\n'
    )
    stand_in.chmod(0o755)
    (folder / "owner").write_text(str(os.getpid()))


def python() -> str:
    """Return the path of the stand-in, behind which the server is started if it is not there yet."""
    folder = run_folder()
    with alone("server"):
        if sys.platform == "linux" and not (folder / "log").exists():
            with (folder / "log").open("w") as log:
                server = subprocess.Popen(
                    [sys.executable, _HERE / "server.py", folder, (folder / "owner").read_text()],
                    env={**AT_START, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            while not (folder / "socket").exists() and server.poll() is None:
                time.sleep(0.01)
            server.returncode = 0  # it outlives this process, and nobody waits for it
    return str(folder / "bin" / "python")


def variables(**more: str) -> dict[str, str]:
    """Return this process's variables, offline, with the stand-in as `python` and all else as installed."""
    places = [str(Path(python()).parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **offline, "PATH": os.pathsep.join(places), **more}


def kill(pid: int) -> None:
    """Kill a process at once; if it is the stand-in, then the one that works for it, as which it will end."""
    with suppress(FileNotFoundError, ValueError):
        pid = int((run_folder() / "workers" / str(pid)).read_text())
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
