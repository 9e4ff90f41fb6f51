"""Learn averaging ratios from two models and samples of the one after RLHF."""

from ama.console import run
from ama.console.command import Chosen, Command
from ama.errors import UserError
from ama.settings.ratios import (
    Approach,
    ObjectiveSettings,
    RatioFiles,
    RatioSettings,
    RatioTrainingSettings,
    SearchSettings,
)

_DESCRIPTION = """\
One ratio per block of linear maps, trained so that the averaged model gives the collected samples a high
likelihood, while the mean of the ratios stays --mean_ratio. A ratio is the weight of the model before RLHF.

Example: python -m ama.optimize_masks --before models/sft --after models/rlhf \\
  --data data/collected.json --out output/masks --lr 0.005
With --approach free_sigmoid the ratios have no fixed mean, and both parents count: after on its samples and,
times --price, before on texts of its own; begin with @configs/masks/two_sided.args.
Options may come from a file, one a line: @configs/masks/small_model.args; the later of two wins.
Merge the result with python -m ama.merge_masks. The same command under accelerate launch, torchrun or
deepspeed shares the work; run again after a crash, it goes on at its last checkpoint."""

COMMAND = Command(
    "optimize_masks",
    _DESCRIPTION,
    RatioFiles,
    RatioSettings,
    ObjectiveSettings,
    RatioTrainingSettings,
    SearchSettings,
)


def main() -> None:
    """Learn the ratios."""
    chosen = COMMAND.parse()
    files, ratios = chosen[RatioFiles], chosen[RatioSettings]
    if ratios.approach is Approach.FREE:
        _learn_free(chosen)
        return
    from ama.ratios.learn import learn_ratios

    learn_ratios(
        files.before,
        files.after,
        files.data,
        files.out,
        ratios,
        chosen[ObjectiveSettings],
        chosen[RatioTrainingSettings],
        chosen[SearchSettings],
        overwrite=files.overwrite,
    )


def _learn_free(chosen: Chosen) -> None:
    if chosen[SearchSettings].optimizer == "search":
        raise UserError("--optimizer search is for a few ratios of a fixed mean: leave it out for free ones")
    from ama.ratios.two_sided import learn_free_ratios

    files = chosen[RatioFiles]
    learn_free_ratios(
        files.before,
        files.after,
        files.data,
        files.out,
        chosen[RatioSettings],
        chosen[ObjectiveSettings],
        chosen[RatioTrainingSettings],
        overwrite=files.overwrite,
    )


if __name__ == "__main__":
    run(main)
