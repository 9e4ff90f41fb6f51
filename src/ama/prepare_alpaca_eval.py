"""Bring AlpacaEval's prompts and the outputs to compare with into one file."""

from ama.console import run
from ama.console.command import Command
from ama.data.eval_sets.alpaca import FILE, prepare_alpaca_eval
from ama.settings.data import AlpacaEvalSettings

COMMAND = Command(
    "prepare_alpaca_eval",
    f"""Write {FILE}: each prompt of AlpacaEval with the outputs of the models to compare with.

`reference` are the outputs that come with the prompts, those of text_davinci_003; gpt4_1106_preview are those
that the paper compares with. A local source has alpaca_eval.jsonl, and model_outputs/MODEL.json for each.
Example: python -m ama.prepare_alpaca_eval data/alpaca_eval --source my_copy
""",
    AlpacaEvalSettings,
)


def main() -> None:
    """Read, join by prompt, write, and show the counts."""
    prepare_alpaca_eval(COMMAND.parse()[AlpacaEvalSettings])


if __name__ == "__main__":
    run(main)
