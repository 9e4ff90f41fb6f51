"""The command `ama`: the table of commands, what it lists and runs, and completion in bash."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.call import call, complaint

import ama
from ama.__main__ import main
from ama.console.commands import COMMANDS, names, summary

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "ama"
NO_COMMANDS = {"__init__", "__main__", "errors", "processes"}
MODULES = {path.stem for path in PACKAGE.glob("*.py")} - NO_COMMANDS


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Return what `ama` prints on stdout."""
    with pytest.raises(SystemExit) as exit_:
        call(main, *words)
    assert exit_.value.code == 0
    return capsys.readouterr().out


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_table_has_every_command_once() -> None:
    assert sorted(names()) == sorted(MODULES)


@pytest.mark.parametrize("name", names())
def test_a_module_is_what_the_table_says(name: str) -> None:
    module = importlib.import_module(f"ama.{name}")
    assert module.COMMAND.name == name
    assert callable(module.main)
    assert summary(name) == str(module.__doc__).partition("\n")[0]
    assert summary(name).endswith(".")


def test_importing_the_commands_loads_no_heavy_library() -> None:
    loaded = python(
        f"import sys, {', '.join(f'ama.{name}' for name in names())}; print(*sys.modules)"
    ).split()
    assert not {"torch", "transformers", "datasets", "matplotlib", "plotly", "lm_eval", "numpy"} & {*loaded}


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_commands_are_listed_by_group(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, *words)
    assert str(ama.__doc__).partition("\n")[0] in text
    for title, group in COMMANDS.items():
        assert f"\n{title}:\n  {group[0]} " in text
        assert all(summary(name) in text for name in group)


def test_listing_imports_no_command() -> None:
    loaded = python("import sys, ama.__main__ as m; m._overview(); print(*sys.modules)").split()
    assert not {"jsonargparse", "yaml", "shtab"} & {*loaded}
    assert not {f"ama.{name}" for name in names()} & {*loaded}


def test_the_installed_command_is_this_module() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"ama": "ama.__main__:main"}
    done = subprocess.run(
        [sys.executable, "-m", "ama", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"ama {ama.__version__}\n"


def test_a_command_runs_under_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "a.txt"
    text.write_text("the model")
    assert "1 instances" in said(capsys, "inspect_data", text, "--samples", "0")
    usage = said(capsys, "inspect_data", "--help").split()
    assert usage[:3] == ["usage:", "ama", "inspect_data"]
    line = complaint(capsys, main, "inspect_data", "--sample", "1")
    assert line.endswith("there is no option --sample: did you mean --samples? (see ama inspect_data --help)")
    assert "is missing: check the path" in complaint(capsys, main, "inspect_data", tmp_path / "gone")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("interpolat", "--help"), "there is no command 'interpolat': did you mean interpolate?"),
        (("ama.train_sf",), "there is no command 'ama.train_sf': did you mean train_sft?"),
        (("zzz",), "there is no command 'zzz' (see ama --help)"),
        (("--verbose",), "ama has no option --verbose"),
        (("--print_completion",), "--print_completion: give bash or zsh"),
        (("--print_completion", "fish"), "--print_completion fish: give bash or zsh"),
    ],
)
def test_mistakes(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in complaint(capsys, main, *words)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What bash reads."""
    path = tmp_path_factory.mktemp("completion") / "ama"
    done = subprocess.run(
        [sys.executable, "-m", "ama", "--print_completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
    )
    path.write_text(done.stdout)
    return path


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("inter",), {"interpolate"}),
        (("train_",), {"train_sft", "train_reward", "train_raft", "train_dpo", "train_ppo"}),
        (("prepare_hh_rlhf", "--l"), {"--leak"}),
        (("prepare_hh_rlhf", "--leak", ""), {"prompt", "opening"}),
        (("inspect_data", "--tokenizer", "mod"), {"model_a", "model_b"}),
        (("--print_completion", ""), {"bash", "zsh"}),
    ],
)
def test_bash_completes(words: tuple[str, ...], offered: set[str], script: Path, tmp_path: Path) -> None:
    for name in ("model_a", "model_b"):
        (tmp_path / name).mkdir()
    code = """
        source "$1"; shift
        complete -p ama >/dev/null || exit
        COMP_WORDS=(ama "$@") COMP_CWORD=$#
        _shtab_ama
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    command = ["bash", "-c", code, "bash", str(script), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered


def test_zsh_gets_the_same_options(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "--print_completion", "zsh")
    assert text.startswith("#compdef ama\n")
    assert '"--leak[' in text
    assert ":(prompt opening)" in text
