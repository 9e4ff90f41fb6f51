"""The stand-in for `python`: what it runs can't tell, and neither can who starts it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import warm

TELL = """
import os, resource, signal, sys
print(sys.argv, os.getcwd(), os.environ["GIVEN"], sys.stdin.read(), sys.path[0], __name__, __file__)
print(os.umask(0), resource.getrlimit(resource.RLIMIT_NOFILE), signal.getsignal(signal.SIGINT))
print("an error", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
IS_WARM = "import sys; print('lm_eval' in sys.modules)"


def run(
    python: str, *arguments: str | Path, folder: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *arguments],
        env=warm.variables(**more),
        cwd=folder,
        input="some text",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


@pytest.mark.parametrize("status", ["0", "3"])
def test_a_script_finds_what_python_gives_it(script: Path, status: str) -> None:
    script.write_text(TELL)
    ours, theirs = (
        run(python, script.name, status, folder=script.parent, GIVEN="é ü")
        for python in (warm.python(), sys.executable)
    )
    assert ours.stdout == theirs.stdout
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr) == (int(status), "an error\n")


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit('a word')",
        "raise SystemExit(-1)",
        "raise ValueError('wrong')",
        "raise KeyboardInterrupt",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os; os.abort()",
        "import atexit; atexit.register(print, 'the end')",
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
    ],
)
def test_it_ends_as_python_does(script: Path, code: str) -> None:
    script.write_text(code)
    ours, theirs = (run(python, script) for python in (warm.python(), sys.executable))
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert ours.stderr.splitlines()[-1:] == theirs.stderr.splitlines()[-1:]


def test_a_module_is_run_as_python_does(tmp_path: Path) -> None:
    for arguments in (
        ("--help",),
        ("--alpha", "0.3"),
        ("--before", "a", "--after", "b", "--alpha", "1", "--out", "c"),
    ):
        ours, theirs = (
            run(python, "-m", "ama.interpolate", *arguments, folder=tmp_path)
            for python in (warm.python(), sys.executable)
        )
        assert (ours.returncode, ours.stdout, ours.stderr) == (
            theirs.returncode,
            theirs.stdout,
            theirs.stderr,
        )


def test_it_is_warm_only_where_it_may_be(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script.write_text(IS_WARM)
    # Other tests of this process may have changed variables that libraries read early.
    for name in os.environ.keys() - warm.AT_START.keys() - {"AMA_TEST_RUN", "TORCH_EXTENSIONS_DIR"}:
        monkeypatch.delenv(name)
    for name, value in warm.AT_START.items():
        monkeypatch.setenv(name, value)
    if sys.platform == "linux":
        assert run(warm.python(), script).stdout == "True\n"
    for name in ("HF_HOME", "WORLD_SIZE", "OMP_NUM_THREADS", "PYTHONPATH"):
        assert run(warm.python(), script, **{name: "7"}).stdout == "False\n", name
    assert run(warm.python(), "-c", IS_WARM).stdout == "False\n"
    assert run("python", "-P", "-c", "import sys; print(sys.executable)").stdout == f"{sys.executable}\n"


def test_a_limit_holds(script: Path) -> None:
    script.write_text(
        f"import pathlib; pathlib.Path({str(script.parent / 'big')!r}).write_bytes(bytes(9999))"
    )
    command = f"ulimit -f 4; exec python {script}"
    done = subprocess.run(
        ["bash", "-c", command], env=warm.variables(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr


def _start(script: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a script that says its process id and waits; return both."""
    script.write_text("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    process = subprocess.Popen(
        [warm.python(), script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=warm.variables(),
    )
    assert process.stdout
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_reaches_it(script: Path, number: signal.Signals) -> None:
    process, worker = _start(script)
    process.send_signal(number)
    assert process.wait(60) == -number
    assert not psutil.pid_exists(worker)
    process.communicate()


def test_a_kill_kills_what_works(script: Path) -> None:
    process, worker = _start(script)
    warm.kill(process.pid)
    assert process.wait(60) == -signal.SIGKILL
    assert not psutil.pid_exists(worker)
    process.communicate()


def test_it_does_not_outlive_who_started_it(script: Path) -> None:
    process, worker = _start(script)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(worker):
        assert time.monotonic() < deadline
        time.sleep(0.01)
