"""What DeepSpeed compiles for a launch, a minute of two cores, kept from one test run for the next."""

import shutil
from pathlib import Path


def take(cache: Path, folder: Path) -> None:
    """Copy what is kept into a run's folder. Times stay, by which ninja finds what to compile again."""
    shutil.copytree(cache, folder, dirs_exist_ok=True)


def keep(folder: Path, cache: Path) -> None:
    """Keep what a run has compiled, unless it was cut short: its lock would stop all later runs."""
    for built in folder.glob("*/*.so"):
        name = built.parent.name
        kept = cache / name / built.name
        is_new = not kept.exists() or kept.stat().st_mtime != built.stat().st_mtime
        if is_new and not (built.parent / "lock").exists():
            shutil.rmtree(cache / name, ignore_errors=True)
            shutil.copytree(built.parent, cache / name)
