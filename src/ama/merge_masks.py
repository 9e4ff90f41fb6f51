"""Average a checkpoint before RLHF with one after it by learned ratios, into a new checkpoint."""

from ama.averaging.command import Wanted, merge_command
from ama.averaging.schedules.grammar import learned_schedule
from ama.console import run
from ama.console.command import Chosen, Command
from ama.settings.merging import LearnedScheduleSettings, MergeSettings, OutputSettings, PairSettings

_DESCRIPTION = """\
merged = ratio * before + (1 - ratio) * after, by the learned ratios of mask_alphas.bin.

Example: python -m ama.merge_masks --before models/sft --after models/rlhf \\
  --masks output/masks --out output/ama
--mean_ratio 0.3 keeps the learned pattern and re-normalises it to a mean of 0.3, without training again;
--price 0.1 chooses one of the free ratios that were learned at several prices."""

COMMAND = Command(
    "merge_masks", _DESCRIPTION, PairSettings, LearnedScheduleSettings, OutputSettings, MergeSettings
)


def main() -> int:
    """Read the command line and merge."""
    return merge_command(COMMAND, _wanted)


def _wanted(chosen: Chosen) -> Wanted:
    pair, learned = chosen[PairSettings], chosen[LearnedScheduleSettings]
    schedule = learned_schedule(
        learned.masks, learned.mean_ratio, price=learned.price, extrapolate=learned.allow_extrapolation
    )
    return Wanted(pair.before, pair.after, schedule)


if __name__ == "__main__":
    run(main)
