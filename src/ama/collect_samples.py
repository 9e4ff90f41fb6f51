"""Sample replies from the model after RLHF: the data set of learned ratios, for given checkpoints."""

from ama.console import run
from ama.console.command import Command
from ama.settings.samples import CollectionSettings
from ama.settings.sampling import CollectSettings, PromptSettings, SamplingSettings

_DESCRIPTION = """\
For checkpoints that were not trained here (python -m ama.train_raft collects samples itself). With a reward
model the samples are drawn from those with the highest rewards, as in the paper; without one all are kept.

Example: python -m ama.collect_samples --model models/rlhf --prompts data/hh_rlhf/rlhf/rlhf_prompt \\
  --out output/collected.json --reward_model models/reward
Run again after a crash, it goes on where it stopped."""

_GROUPS = (CollectSettings, PromptSettings, SamplingSettings, CollectionSettings)
COMMAND = Command("collect_samples", _DESCRIPTION, *_GROUPS)


def main() -> None:
    """Sample, score, write."""
    chosen = COMMAND.parse()
    from ama.ratios.collect import collect_samples

    collect_samples(
        chosen[CollectSettings], chosen[PromptSettings], chosen[SamplingSettings], chosen[CollectionSettings]
    )


if __name__ == "__main__":
    run(main)
