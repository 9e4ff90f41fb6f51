"""A command of ama as it stands on a launcher's line: module, processes, options."""

import re
import shlex
from dataclasses import dataclass, replace
from itertools import pairwise

from ama.errors import UserError
from ama.planning.needs import Training


@dataclass(frozen=True)
class Line:
    """A command line as it is launched.

    Attributes:
        module: such as `ama.train_sft`; empty if it is no command of ama.
        processes: how many.
        options: by name without dashes, the last of two; a flag has the value ''.
    """

    module: str
    processes: int
    options: dict[str, str]

    def number(self, name: str, default: int) -> int:
        """Return a whole number among the options.

        Raises:
            UserError: it is none above 0.
        """
        text = self.options.get(name) or str(default)
        if not re.fullmatch("[1-9][0-9]{0,8}", text):
            raise UserError(f"--{name} '{text}' of {self.module} is no whole number above 0")
        return int(text)

    def training(self, sequences: int, tokens: int) -> Training:
        """Return the sizes of a training of as many sequences at a time.

        Raises:
            UserError: a batch that the processes can't share.
        """
        batch = self.number("batch", sequences * self.processes)
        if batch % self.processes:
            raise UserError(
                f"--batch {batch} of {self.module} can't be shared by {self.processes} processes: "
                "set num_gpus to a number that divides it"
            )
        stage = re.search(r"zero([0-3])\.json$", self.options.get("deepspeed", ""))
        return Training(
            processes=self.processes,
            zero_stage=int(stage[1]) if stage else None,
            half="bf16" in self.options,
            sequences=min(sequences, batch // self.processes),
            tokens=tokens,
            recompute="gradient_checkpointing" in self.options,
            lora_rank=self.number("lora_r", 1) if "lora_r" in self.options else None,
        )


def read_line(command: str) -> Line:
    """Take a command line apart.

    Raises:
        UserError: quotes that do not close.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"command '{command}' can't be read: {error}") from error
    options = _options(words)
    # A measure of ama.pareto is a command line of its own.
    for measure in [word for flag, word in pairwise(words) if flag == "--measure"]:
        options |= _options(shlex.split(measure))
    module = next((word for word in words if word.startswith("ama.")), "")
    line = Line(module, 1, options)
    launcher = "num_gpus" if "num_gpus" in options else "nproc_per_node"
    return replace(line, processes=line.number(launcher, 1))


def _options(words: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            options[name] = value
        elif name and not options[name]:
            options[name] = word
    return options
