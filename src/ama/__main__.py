"""The command `ama`: it lists the commands, runs one of them, and prints completion for a shell."""

import sys
from difflib import get_close_matches
from importlib import import_module

import ama
from ama.console.commands import COMMANDS, names, summary
from ama.console.run import run
from ama.errors import UserError

_USAGE = "usage: ama COMMAND [OPTION ...]\n       ama COMMAND --help\n"
_END = """\
`ama COMMAND` is `python -m ama.COMMAND`, which is the form for launchers: torchrun -m ama.COMMAND ...

  --help               show this
  --version            show the version
  --print_completion SHELL
                       print completion for bash or zsh, of commands, options and choices:
                         ama --print_completion bash > ~/.local/share/bash-completion/completions/ama
                         ama --print_completion zsh > "${fpath[1]}/_ama"
"""


def main() -> None:
    """Run what the command line says, and exit."""
    run(_main)


def _main() -> int | None:
    first, *words = sys.argv[1:] or ["--help"]
    if first in ("--help", "-h"):
        sys.stdout.write(_overview())
    elif first == "--version":
        sys.stdout.write(f"ama {ama.__version__}\n")
    elif first == "--print_completion":
        from ama.console.completion import completion

        sys.stdout.write(completion(words))
    elif first in names():
        sys.argv = [f"ama {first}", *words]
        status: int | None = import_module(f"ama.{first}").main()
        return status
    else:
        raise UserError(_unknown(first))
    return None


def _overview() -> str:
    width = max(map(len, names()))
    lines = [_USAGE, str(ama.__doc__).partition("\n")[0], ""]
    for title, group in COMMANDS.items():
        lines += [f"{title}:", *(f"  {name:<{width}}  {summary(name)}" for name in group), ""]
    return "\n".join([*lines, _END])


def _unknown(word: str) -> str:
    if word.startswith("-"):
        return f"ama has no option {word}; options of a command stand behind its name (see ama --help)"
    nearest = get_close_matches(word.removeprefix("ama."), names(), 1)
    return f"there is no command '{word}'" + (
        f": did you mean {nearest[0]}?" if nearest else " (see ama --help)"
    )


if __name__ == "__main__":
    main()
