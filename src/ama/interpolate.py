"""Average a checkpoint before RLHF with one after it, plainly or part by part, into a new checkpoint."""

from ama.averaging.command import Wanted, merge_command
from ama.averaging.schedules.grammar import merge_schedule
from ama.averaging.schedules.split_tag import check_tag
from ama.console import run
from ama.console.command import Chosen, Command
from ama.settings.merging import MergeSettings, OutputSettings, PairSettings, ScheduleSettings

_DESCRIPTION = """\
merged = ratio * before + (1 - ratio) * after, ratio in [0, 1]: 0 is the model after RLHF, 1 the one before.

Plain averaging:      --ratio 0.3
Part-wise averaging:  --ratio 0.3 --schedule 'split|10#20|0.4|0.3|0.2'
                      layers 0-10 and the embeddings get 0.4, layers 11-20 0.3, the others 0.2; the final
                      norm and the head get --ratio (split0 in place of split: the head gets 0)
By a file:            --schedule configs/ama/llama_7b_split.yaml
By learned ratios:    --schedule output/masks/mask_alphas.bin (--ratio: another mean; see ama.merge_masks)
By another formula:   --method slerp; --ratio -0.3 --method extrapolate goes beyond the model after RLHF
The output's name may hold the split tag instead, as in pma_0.3_sft_split|10#20|0.4|0.3|0.2_rlhf."""

COMMAND = Command("interpolate", _DESCRIPTION, PairSettings, ScheduleSettings, OutputSettings, MergeSettings)


def main() -> int:
    """Read the command line and merge."""
    return merge_command(COMMAND, _wanted)


def _wanted(chosen: Chosen) -> Wanted:
    pair, ratios = chosen[PairSettings], chosen[ScheduleSettings]
    check_tag(ratios.tag0, "--tag0")
    check_tag(ratios.tag1, "--tag1")
    name = chosen[OutputSettings].out.name
    schedule = merge_schedule(ratios.ratio, ratios.schedule, name, ratios.scope, ratios.method)
    return Wanted(pair.before, pair.after, schedule)


if __name__ == "__main__":
    run(main)
