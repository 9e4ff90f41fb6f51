import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ama.checkpoint import staging
from ama.checkpoint.staging import RECORD_NAME, check_target, staged_folder, staging_of
from ama.errors import UserError

# What a process does: write a new result to argv[1], dying at the step that argv[2] names.
WRITER = """
import os, sys
from pathlib import Path
from ama.checkpoint import staging

target, step = Path(sys.argv[1]), sys.argv[2]
if "fallback" in sys.argv:
    staging._exchange = lambda one, other: False

def dies(name, function, after):
    def call(*arguments, **keywords):
        if not after:
            os._exit(9)
        function(*arguments, **keywords)
        os._exit(9)
    return call if step == name else function

renames = iter(range(9))
def rename(path, new, move=Path.rename):
    number = next(renames)
    if step == f"before rename {number}":
        os._exit(9)
    move(path, new)
    if step == f"after rename {number}":
        os._exit(9)

Path.rename = rename
staging._exchange = dies("before exchange", staging._exchange, False)
staging._exchange = dies("after exchange", staging._exchange, True)
staging._sync = dies("after writing", staging._sync, False)
staging.shutil.rmtree = dies("before removing", staging.shutil.rmtree, False)
with staging.staged_folder(target):
    (staging.staging_of(target) / "new").write_text("new")
    (staging.staging_of(target) / "more").mkdir()
    if step == "while writing":
        os._exit(9)
    (staging.staging_of(target) / "more" / "new").write_text("new")
"""


def run_writer(target: Path, *arguments: str) -> int:
    command = [sys.executable, "-c", WRITER, str(target), *arguments]
    return subprocess.run(command, check=False, timeout=60).returncode


def result(folder: Path, content: str) -> Path:
    (folder / "more").mkdir(parents=True)
    (folder / content).write_text(content)
    (folder / "more" / content).write_text(content)
    return folder


def content(folder: Path) -> str:
    """Return which result a folder holds, after seeing that it is whole."""
    (name,) = (path.name for path in folder.iterdir() if path.is_file())
    assert (folder / "more" / name).read_text() == (folder / name).read_text() == name
    return name


def write(target: Path, name: str = "new") -> None:
    with staged_folder(target):
        (staging_of(target) / name).write_text(name)
        (staging_of(target) / "more").mkdir()
        (staging_of(target) / "more" / name).write_text(name)


def fail_at(target: Path) -> None:
    with staged_folder(target):
        (staging_of(target) / "new").write_text("new")
        raise ZeroDivisionError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "out"
    with staged_folder(target):
        assert staging_of(target).is_dir()
        assert not target.exists()
        (staging_of(target) / "new").write_text("new")
    assert names(target) == ["new"]
    assert names(target.parent) == ["out"]


def test_an_old_folder_stays_whole_till_it_is_replaced(tmp_path: Path) -> None:
    target = result(tmp_path / "out", "old")
    with staged_folder(target):
        (staging_of(target) / "new").write_text("new")
        assert content(target) == "old"
    assert names(target) == ["new"]
    assert names(tmp_path) == ["out"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    target = result(tmp_path / "out", "old")
    for path in (target, tmp_path / "other"):
        with pytest.raises(ZeroDivisionError):
            fail_at(path)
    assert content(target) == "old"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "fallback"])
def test_the_fallback_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    target = result(tmp_path / "out", "old")
    if not exchange:
        monkeypatch.setattr(staging, "_exchange", lambda one, other: False)
    write(target)
    assert content(target) == "new"
    assert names(tmp_path) == ["out"]


def test_the_system_swaps_folders_in_one_step(tmp_path: Path) -> None:
    one, other = result(tmp_path / "one", "old"), result(tmp_path / "other", "new")
    assert staging._exchange(one, other)
    assert (content(one), content(other)) == ("new", "old")


def test_without_renameat2_nothing_is_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging.ctypes, "CDLL", lambda *_, **__: object())
    assert not staging._exchange(tmp_path, tmp_path)


STEPS = [
    ("while writing", []),
    ("after writing", []),
    ("before exchange", []),
    ("after exchange", []),
    ("before removing", []),
    ("before rename 0", ["fallback"]),
    ("after rename 0", ["fallback"]),
    ("before rename 1", ["fallback"]),
    ("after rename 1", ["fallback"]),
    ("before removing", ["fallback"]),
]


@pytest.mark.parametrize(("step", "mode"), STEPS, ids=str)
def test_a_process_that_dies_while_it_replaces_loses_nothing(
    tmp_path: Path, step: str, mode: list[str]
) -> None:
    target = result(tmp_path / "out", "old")
    assert run_writer(target, step, *mode) == 9
    if target.exists():
        assert content(target) in ("old", "new")
    else:
        assert mode == ["fallback"], "only without an atomic exchange may there be a moment without a folder"
        (aside,) = tmp_path.glob(".out.ama-old")
        assert content(aside) == "old"
    assert run_writer(target, "none", *mode) == 0
    assert content(target) == "new"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("step", ["while writing", "after writing", "before rename 0", "after rename 0"])
def test_a_process_that_dies_while_it_makes_the_first(tmp_path: Path, step: str) -> None:
    target = tmp_path / "out"
    assert run_writer(target, step) == 9
    assert target.exists() == (step == "after rename 0")
    assert run_writer(target, "none") == 0
    assert content(target) == "new"
    assert names(tmp_path) == ["out"]


def test_an_old_result_that_a_killed_run_moved_aside_comes_back_even_if_the_next_run_fails(
    tmp_path: Path,
) -> None:
    target = tmp_path / "out"
    result(tmp_path / ".out.ama-old", "old")
    with pytest.raises(ZeroDivisionError):
        fail_at(target)
    assert content(target) == "old"
    assert names(tmp_path) == ["out"]


def test_two_processes_with_one_target(tmp_path: Path) -> None:
    target = tmp_path / "out"
    code = (
        "import sys; from pathlib import Path; from ama.checkpoint.staging import *\n"
        "with staged_folder(Path(sys.argv[1])):\n"
        "    (staging_of(Path(sys.argv[1])) / 'theirs').write_text('x'); print(flush=True); input()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(UserError) as caught, staged_folder(target):
            pytest.fail("a second process may not write")
        assert (
            str(caught.value) == f"another process is writing {target}: wait for it, or choose another output"
        )
        assert names(staging_of(target)) == ["theirs"]
        first.communicate("\n", timeout=60)
    assert first.returncode == 0
    assert names(target) == ["theirs"]


def test_the_name_is_guarded_until_the_old_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = result(tmp_path / "out", "old")
    rmtree = staging.shutil.rmtree

    def remove(folder: Path, **keywords: bool) -> None:
        monkeypatch.setattr(staging.shutil, "rmtree", rmtree)
        with pytest.raises(UserError, match="another process is writing"), staged_folder(target):
            pass
        rmtree(folder, **keywords)

    monkeypatch.setattr(staging.shutil, "rmtree", remove)
    write(target)
    assert content(target) == "new"
    assert names(tmp_path) == ["out"]


def test_two_targets_side_by_side_do_not_disturb_each_other(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "one"), staged_folder(tmp_path / "other"):
        pass
    assert names(tmp_path) == ["one", "other"]


def test_a_file_system_without_locks_still_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(staging.fcntl, "flock", flock)
    write(tmp_path / "out")
    assert content(tmp_path / "out") == "new"


def test_a_file_system_that_cannot_sync_folders_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(staging.os, "fsync", fsync)
    write(tmp_path / "out")
    assert content(tmp_path / "out") == "new"


def test_everything_is_on_the_disk_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced.append(f"{path.relative_to(tmp_path)}{'' if target.exists() else ' not yet there'}")

    monkeypatch.setattr(staging.os, "fsync", noted)
    write(target)
    inside = {"", "/new", "/more", "/more/new"}
    assert set(synced[:-1]) == {f".out.ama-staging{path} not yet there" for path in inside}
    assert synced[-1] == "."


def test_a_disk_error_while_syncing_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(staging.os, "fsync", fsync)
    with pytest.raises(
        UserError, match=r"out can't be written: Input/output error; free space or choose another"
    ):
        write(tmp_path / "out")
    assert names(tmp_path) == []


def test_a_link_is_followed(tmp_path: Path) -> None:
    real = result(tmp_path / "disk" / "out", "old")
    link = tmp_path / "out"
    link.symlink_to(real)
    write(link)
    assert link.is_symlink()
    assert content(real) == "new"
    assert names(tmp_path) == ["disk", "out"]
    assert names(real.parent) == ["out"]


def test_a_link_in_place_of_the_staging_folder_is_not_followed(tmp_path: Path) -> None:
    precious = result(tmp_path / "precious", "old")
    staging_of(tmp_path / "out").symlink_to(precious)
    with pytest.raises(UserError, match="can't be written"):
        write(tmp_path / "out")
    assert content(precious) == "old"


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        write(tmp_path / "file" / "out")
    assert f"output {tmp_path / 'file' / 'out'} can't be written: Not a directory" in str(caught.value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("in", "lies in the input folder"),
        ("in/", "lies in the input folder"),
        ("in/out", "lies in the input folder"),
        ("in/more/../out", "lies in the input folder"),
        ("link", "lies in the input folder"),
        ("link/out", "lies in the input folder"),
        (".", "the input folder .* lies in the output"),
        ("in/..", "the input folder .* lies in the output"),
        ("result", "exists already: choose another, or replace it with --overwrite"),
        ("file", "exists already"),
        ("loop", "exists already"),
    ],
)
def test_targets_that_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    source = result(tmp_path / "in", "old")
    (result(tmp_path / "result", "old") / RECORD_NAME).write_text("{}")
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=message):
        check_target(Path(target), [source], overwrite=False)
    check_target(Path("in-between"), [source], overwrite=False)
    check_target(Path("nowhere/yet/out"), [source], overwrite=False)


def test_overwrite_replaces_only_what_ama_wrote(tmp_path: Path) -> None:
    source, target = result(tmp_path / "in", "old"), result(tmp_path / "out", "old")
    (tmp_path / "file").write_text("")
    for path in (target, tmp_path / "file"):
        with pytest.raises(
            UserError, match=f"holds no {RECORD_NAME}, so ama did not write it: remove it yourself"
        ):
            check_target(path, [source], overwrite=True)
    (target / RECORD_NAME).write_text("{}")
    check_target(target, [source], overwrite=True)
    (source / RECORD_NAME).write_text("{}")
    with pytest.raises(UserError, match="lies in the input folder"):
        check_target(source, [source], overwrite=True)
