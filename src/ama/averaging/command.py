"""What the merging commands share: from settings to the checkpoint, together with the other ranks."""

import sys
from collections.abc import Callable
from typing import NamedTuple

from ama.averaging.schedules.schedule import Schedule
from ama.console.command import Chosen, Command
from ama.console.imports import heavy_imports
from ama.console.run import USER_ERROR
from ama.errors import UserError
from ama.processes import MpiRanks
from ama.settings.merging import MergeSettings, OutputSettings


class Wanted(NamedTuple):
    """What is to be merged.

    Attributes:
        before: the model before RLHF: folder or hub id.
        after: the model after RLHF.
        schedule: the ratios.
    """

    before: str
    after: str
    schedule: Schedule


def merge_command(command: Command, read: Callable[[Chosen], Wanted]) -> int:
    """Read the command line and merge.

    Args:
        command: has `OutputSettings` and `MergeSettings` among its groups.
        read: returns from the settings what is to be merged.

    Returns:
        The exit status.

    Raises:
        UserError: on the first rank, a mistake in the input.
    """
    ranks = MpiRanks()
    try:
        with ranks.together():
            chosen = command.parse()
            wanted = read(chosen)
        _merge(chosen, wanted, ranks)
    except UserError:
        if ranks.rank == 0:
            raise
        return USER_ERROR
    return 0


def _merge(chosen: Chosen, wanted: Wanted, ranks: MpiRanks) -> None:
    # Imported here: torch takes seconds to load, which --help and a malformed schedule need not wait for.
    with heavy_imports():
        from ama.averaging.average import average, print_ratios

    done = average(
        wanted.before,
        wanted.after,
        chosen[OutputSettings].out,
        schedule=wanted.schedule,
        settings=chosen[MergeSettings],
        ranks=ranks,
        record=chosen.record(),
        tell=lambda note: sys.stderr.write(f"{note}\n"),
        progress=True,
    )
    if chosen[MergeSettings].dry_run and ranks.rank == 0:
        print_ratios(done.plan)
