"""Processes that find each other: a free port, launchers, and two hosts on this machine."""

import os
import random
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from support import warm

_SSH = """\
#!/usr/bin/env bash
echo 127.0.0.1
"""
_PDSH = """\
#!/usr/bin/env bash
# pdsh -S -f FAN_OUT -w HOSTS COMMAND...: runs the command once for each host, all at the same time.
while [[ "$1" == -* ]]; do
  case "$1" in
    -S) shift ;;
    -w) hosts="${2//,/ }" && shift 2 ;;
    *) shift 2 ;;
  esac
done
number=0 status=0 processes=()
for _ in $hosts; do
  bash -c "${*//%n/$number}" &
  processes+=("$!")
  number=$((number + 1))
done
for process in "${processes[@]}"; do
  wait "$process" || status=$?
done
exit "$status"
"""


def free_port() -> str:
    """Return the number of a port that no process listens on.

    It is below those that the system gives away by itself, to whoever asks before the launch that needs it.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return str(port)
    raise OSError("none of a hundred ports is free")


def accelerate_launch() -> list[str]:
    """Return the command that starts a module, named next, in two processes; see ACCELERATE_USE_CPU."""
    launch = ["accelerate", "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", free_port()]
    return [*launch, "-m"]


def two_hosts(folder: Path, environment: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
    """Write hostfile and stand-ins; return the hostfile and the environment of a recipe that finds them."""
    tools = folder / "network"
    tools.mkdir()
    for name, text in (("ssh", _SSH), ("pdsh", _PDSH)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    hostfile = tools / "hosts"
    hostfile.write_text("first_host slots=1\nsecond_host slots=1\n")
    path = f"{tools}{os.pathsep}{environment['PATH']}"
    return hostfile, {**environment, "PATH": path, "master_port": free_port()}


def kill_all(launcher: subprocess.Popen[bytes]) -> None:
    """Kill a launcher and all that it has started, which may be in process groups of their own."""
    for process in (*psutil.Process(launcher.pid).children(recursive=True), launcher):
        warm.kill(process.pid)
    launcher.wait()
