"""A stage's command line: which command of ama it runs, in how many processes, with which settings."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ama.console.command import Chosen, Command
from ama.console.commands import names
from ama.errors import UserError
from ama.settings.planning import ModelSize

# What launchers call their number of processes: deepspeed, torchrun, accelerate, mpirun.
_PROCESSES = ("num_gpus", "num_accelerators", "nproc_per_node", "num_processes", "np", "n")


@dataclass(frozen=True)
class Launched:
    """A command line as it is launched.

    Attributes:
        command: of ama, such as `train_sft`; empty for any other program.
        processes: how many, on each machine.
        words: what stands behind the command.
    """

    command: str
    processes: int
    words: Sequence[str]

    def settings(self) -> Chosen:
        """Return what the command itself reads in its words.

        Raises:
            UserError: it would refuse them.
        """
        command: Command = import_module(f"ama.{self.command}").COMMAND
        return command.parse(self.words)


class Run(NamedTuple):
    """A command with its settings, in a number of processes, for a model of some size."""

    chosen: Chosen
    processes: int
    model: ModelSize


def read_line(line: str) -> Launched:
    """Take a command line apart at the name of the command: before it stands a launcher.

    Raises:
        UserError: quotes that do not close, or a number of processes that is none.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UserError(f"command '{line}' can't be read: {error}") from error
    for place, word in enumerate(words):
        module = word.startswith("ama.") and words[place - 1] in ("-m", "--module")
        name = word.removeprefix("ama.") if module else word
        if name in names() and (module or Path(words[place - 1]).name == "ama"):
            return Launched(name, _processes(words[:place]), words[place + 1 :])
    return Launched("", 1, ())


def _processes(launcher: Sequence[str]) -> int:
    for place, word in enumerate(launcher):
        flag, equals, value = word.partition("=")
        if flag.startswith("-") and flag.lstrip("-").replace("-", "_") in _PROCESSES:
            text = value if equals else "".join(launcher[place + 1 : place + 2])
            if not re.fullmatch("[1-9][0-9]{0,5}", text):
                raise UserError(f"{flag} '{text}' is no number of processes")
            return int(text)
    return 1


def zero_stage(config: Path | None) -> int | None:
    """Return the stage that the name of DeepSpeed's configuration tells, as of those in configs/deepspeed."""
    found = re.search(r"zero([0-3])\.json$", str(config))
    return int(found[1]) if found else None
