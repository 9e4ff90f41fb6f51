"""Disks that are too small, become full or can't be written: one line, and nothing is left behind."""

import resource
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import warm
from support.command import refusal
from support.tiny import make_pair, make_tokenizer

from ama.averaging import stream

# In a mount namespace of its own, which ends with the shell: mount a disk, merge to it, list what lies there.
ON_A_DISK = """
mount -t tmpfs -o "$1" none "$2" || exit 99
"${@:3}" && status=0 || status=$?
ls -A1 "$2"
exit "$status"
"""
NAMESPACE = ("unshare", "--map-root-user", "--mount", "bash", "-c", ON_A_DISK, "bash")


def can_mount() -> bool:
    """Tell whether the system lets us mount a disk in a namespace; in a container it often does not."""
    command = [*NAMESPACE, "size=1m", str(Path(__file__).parent), "true"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


# A limit on the size of files is a full disk to the writer, and needs no rights.
MOUNTS = can_mount()
SMALL = ["limit", "disk"] if MOUNTS else ["limit"]
REASON = {"limit": "File too large", "disk": "No space left on device"}

pytestmark = pytest.mark.slow
Done = subprocess.CompletedProcess[str]


class Merge:
    """A merge in a process of its own, of `before` and `after` in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "place" / "out"
        self.before, self.after = make_pair(folder)
        make_tokenizer(self.after)
        self.out.parent.mkdir()

    def run(self, *prefix: str, limit: int = resource.RLIM_INFINITY, options: tuple[str, ...] = ()) -> Done:
        paths = ["--before", str(self.before), "--after", str(self.after), "--out", str(self.out)]
        return subprocess.run(
            [*prefix, warm.python(), "-m", "ama.interpolate", *paths, "--alpha", "0.3", *options],
            env=warm.variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )

    def run_on_disk(self, options: str) -> Done:
        """Merge to a disk mounted with these options; stdout lists what is on it afterwards."""
        return self.run(*NAMESPACE, options, str(self.out.parent))

    def run_on_small(self, kind: str, nbytes: int) -> Done:
        """Merge where this number of bytes, in whole pages, has room."""
        if kind == "limit":
            return self.run(limit=nbytes)
        return self.run_on_disk(f"nr_blocks={-(-nbytes // 4096)}")

    def weight_bytes(self) -> int:
        path = self.before / "model.safetensors"
        with path.open("rb") as stream:
            return path.stat().st_size - 8 - int.from_bytes(stream.read(8), "little")

    def check_refusal(self, done: Done, message: str) -> None:
        assert done.returncode == 2, done.stderr
        assert done.stdout == "", "something is left on the disk"
        assert done.stderr.startswith(f"error: {message}")
        assert done.stderr.count("\n") == 1
        assert list(self.out.parent.iterdir()) == []


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    return Merge(tmp_path)


@pytest.mark.parametrize("kind", SMALL)
def test_a_disk_that_fills_while_weights_are_written(merge: Merge, kind: str) -> None:
    # The weights alone would fit: what the check beforehand asks for. The header in front of them does not.
    done = merge.run_on_small(kind, merge.weight_bytes())
    merge.check_refusal(done, f"output {merge.out} can't be written: {REASON[kind]}; free space or choose")


@pytest.mark.parametrize("kind", SMALL)
def test_a_disk_that_fills_while_the_tokenizer_is_copied(merge: Merge, kind: str) -> None:
    tokenizer = merge.after / "tokenizer.model"
    tokenizer.write_bytes(bytes(1 << 20))
    done = merge.run_on_small(kind, 1 << 19)
    merge.check_refusal(done, f"output {merge.out} can't be written: {REASON[kind]}: {tokenizer}; free space")


def test_an_old_result_outlives_a_full_disk(merge: Merge) -> None:
    assert merge.run().returncode == 0
    files = {path: path.read_bytes() for path in merge.out.iterdir()}
    done = merge.run(limit=4096, options=("--overwrite",))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert {path: path.read_bytes() for path in merge.out.iterdir()} == files
    assert list(merge.out.parent.iterdir()) == [merge.out]


def test_the_free_space_is_looked_up_beforehand(merge: Merge, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(free=100_000)
    monkeypatch.setattr(stream, "shutil", SimpleNamespace(disk_usage={merge.out.parent: usage}.__getitem__))
    monkeypatch.setattr(stream, "_write_shards", lambda *_, **__: pytest.fail("something was written"))
    message = refusal(merge.before, merge.after, merge.out, "--alpha", "0.3")
    assert message == (
        f"the result needs 140.42 kB, {merge.out.parent} has 100.00 kB free: "
        "free some space, or choose another output"
    )


if MOUNTS:

    def test_a_disk_that_is_too_small(merge: Merge) -> None:
        done = merge.run_on_disk("size=64k")
        merge.check_refusal(
            done, f"the result needs 140.42 kB, {merge.out.parent} has 65.54 kB free: free some"
        )

    def test_a_disk_that_can_only_be_read(merge: Merge) -> None:
        done = merge.run_on_disk("size=1m,ro")
        merge.check_refusal(done, f"output {merge.out} can't be written: Read-only file system: ")

    def test_a_disk_that_is_large_enough(merge: Merge) -> None:
        done = merge.run_on_disk("size=1m")
        assert (done.returncode, done.stdout) == (0, "out\n"), done.stderr
