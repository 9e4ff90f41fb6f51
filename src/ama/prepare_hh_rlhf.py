"""Turn Anthropic's HH-RLHF into data for SFT, reward models and RLHF."""

from ama.console import run
from ama.console.command import Command
from ama.data.hh_rlhf.prepare import ESTIMATE, prepare_hh_rlhf
from ama.settings.data import HHSettings, HHSplitSettings

COMMAND = Command(
    "prepare_hh_rlhf",
    """Make LMFlow JSON, dialogues as '###Human: ...###Assistant: ...', of Anthropic's HH-RLHF.

  sft/             preferred dialogues of the training rows
  rm/train/        pairs of the training rows, and of the test rows that are not held out
  rm/held_out/     pairs of the other test rows
  rlhf/rlhf_prompt/  training prompts, each once, up to --max_prompt_tokens
  rlhf/rlhf_eval/    test prompts, in two halves
  manifest.json    what was read and written, with checksums; what was dropped and why

Test rows whose prompt occurs in training are dropped. A run that was cut short goes on when started again.
Example: python -m ama.prepare_hh_rlhf data/hh_rlhf --source ~/hh-rlhf
""",
    HHSettings,
    HHSplitSettings,
)


def main() -> None:
    """Read, split, write, and show the counts."""
    chosen = COMMAND.parse()
    settings, counter = chosen[HHSettings], ESTIMATE
    if settings.tokenizer is not None:
        from ama.models.loading import token_counter

        counter = token_counter(settings.tokenizer)
    prepare_hh_rlhf(settings, chosen[HHSplitSettings], counter)


if __name__ == "__main__":
    run(main)
