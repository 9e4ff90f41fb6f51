"""Build the sandbox world of a seed: data, tasks, reward model, before, and after by RAFT or DPO."""

from ama.console import run
from ama.console.command import Command
from ama.settings.sandbox import SandboxSettings

COMMAND = Command(
    "build_sandbox",
    """Build a tiny world with an alignment tax, offline, by real training, in minutes on a CPU.

The folder gets, in the formats of the real ones: data/ (LMFlow JSON), tasks/ (evaluation sets shaped like the
hub's, for lm-eval's arc_easy, squadv2 and wmt14-fr-en), before/, reward_model/, raft/ with every iteration,
after/, and collected/, the data set of learned ratios. What is there is kept; run again after a crash, it
goes on where it stopped. The same seed and number of threads give the same models.

Example: python -m ama.build_sandbox --seed 0 --out output/sandbox
""",
    SandboxSettings,
)


def main() -> None:
    """Build what is missing."""
    settings = COMMAND.parse()[SandboxSettings]
    from ama.sandbox.build import build_sandbox

    build_sandbox(settings)


if __name__ == "__main__":
    run(main)
