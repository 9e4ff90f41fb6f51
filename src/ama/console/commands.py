"""The table of all commands, by what they are for; each is the module of its name in `ama`."""

import ast
from pathlib import Path

import ama

COMMANDS: dict[str, tuple[str, ...]] = {
    "Average two models": ("interpolate", "merge_masks", "merge_recommended"),
    "Learn the ratios": ("collect_samples", "optimize_masks"),
    "Sweep over averages, and show the front": ("pareto", "show_front"),
    "Measure models": (
        "evaluate_harness",
        "evaluate_opencompass",
        "evaluate_reward",
        "evaluate_pairrm",
        "evaluate_loss",
        "show_scores",
        "show_losses",
    ),
    "Train": ("train_sft", "train_reward", "train_raft", "train_dpo", "train_ppo", "finetune"),
    "Prepare data and models": (
        "prepare_hh_rlhf",
        "prepare_alpaca_eval",
        "build_eval_data",
        "inspect_data",
        "prepare_smollm2",
        "build_sandbox",
    ),
    "Plan": ("plan_experiment",),
}


def names() -> list[str]:
    """Return the names of all commands, in the order of the table."""
    return [name for group in COMMANDS.values() for name in group]


def summary(name: str) -> str:
    """Return what a command does: the first line of its module's docstring, read without importing it."""
    path = Path(ama.__file__).with_name(f"{name}.py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]
