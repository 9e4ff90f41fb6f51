"""Learn averaging ratios from samples of the model after RLHF: before, after, samples to mask_alphas.bin."""

from ama.console import run
from ama.console.command import Command
from ama.settings.ratios import (
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
    from ama.ratios.learn import learn_ratios

    files = chosen[RatioFiles]
    learn_ratios(
        files.before,
        files.after,
        files.data,
        files.out,
        chosen[RatioSettings],
        chosen[ObjectiveSettings],
        chosen[RatioTrainingSettings],
        chosen[SearchSettings],
        overwrite=files.overwrite,
    )


if __name__ == "__main__":
    run(main)
