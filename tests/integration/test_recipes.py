"""The variables at the top of each recipe have the defaults of the settings they go to, or say why not."""

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from ama.console.command import Command
from ama.evaluation.sweep.words import read_measure
from ama.planning.launched import read_line
from ama.settings.base import Settings
from ama.settings.evaluation import SweepSettings
from ama.settings.measures import MEASURES

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
RECIPES = sorted(
    str(path.relative_to(SCRIPTS))
    for path in SCRIPTS.glob("*/*.sh")
    if path.parent.name not in ("lib", "reproduce")
)
MODELS = {"models": "the user names them"}
EVAL_DATA = {"eval_data": "`bash data/download.sh eval` builds this folder"}
ONE_TASK = {**MODELS, **EVAL_DATA, "tasks": "a recipe for each group of the paper's tasks"}
# By recipe: each setting whose variable or argument is not its default, and why.
DIFFERENT: dict[str, dict[str, str]] = {
    "eval_cs_qa/run_evaluation.sh": {**MODELS, **EVAL_DATA},
    "eval_drop_squad_wmt/run-evaluation-drop.sh": {**MODELS, **EVAL_DATA, "batch_size": "the paper's"},
    "eval_drop_squad_wmt/run-evaluation-squad.sh": ONE_TASK,
    "eval_drop_squad_wmt/run-evaluation-wmt.sh": ONE_TASK,
    "eval_pairrm/run_pairrm.sh": {
        **MODELS,
        "reference_name": "the paper compares with GPT-4",
        "task": "a name that does not depend on that of a file",
    },
    "eval_raft/run_eval_raft_align.sh": {
        **MODELS,
        "task": "a name that does not depend on that of a file",
    },
    "mask_post/run_mask_two_sided.sh": {
        **dict.fromkeys(("approach", "mask_level", "price"), "the two-sided method, at its finest"),
        **dict.fromkeys(
            ("targets", "loss_on", "scope"), "what the method is best with, not the released code"
        ),
        **dict.fromkeys(("lr", "beta2", "warmup", "max_steps", "micro_batch"), "steps of free raw scalars"),
        "retain_samples": "the other half of its objective",
    },
    "pareto/run_pareto.sh": {
        "curve": "plain averaging by nine ratios, to begin with",
        "measure": "all that the paper measures",
        "harness tasks": "common sense, reading and translation at once",
        "harness eval_data": EVAL_DATA["eval_data"],
    },
    "postprocess/weight_interpolation.sh": {
        "ratio": "there is none by default, and people edit this one",
        "tag0": "part of the default save name",
        "tag1": "part of the default save name",
    },
    "rlhf/run_reward_modeling.sh": {"eval_data": "prepare_hh_rlhf keeps these pairs apart"},
    "rlhf/run_sft.sh": {"pack": "LMFlow, with which the paper trained, joins samples"},
}
# The experiment with the paper's values, stage by stage. The others have those of another model.
WHOLE = "reproduce/openllama_3b.sh"
MEMORY = "a model of 3.4e9 parameters takes less memory this way"
WHOLE_DIFFERENT = {
    **ONE_TASK,
    **DIFFERENT["eval_raft/run_eval_raft_align.sh"],
    **DIFFERENT["pareto/run_pareto.sh"],
    **DIFFERENT["postprocess/weight_interpolation.sh"],
    **DIFFERENT["rlhf/run_reward_modeling.sh"],
    **DIFFERENT["rlhf/run_sft.sh"],
    "opencompass eval_data": EVAL_DATA["eval_data"],
    **dict.fromkeys(("bf16", "gradient_checkpointing", "deepspeed", "micro_batch"), MEMORY),
    "batch_size": "the paper's, of DROP",
    "reward_model": "ratios are learned on the best of the samples",
    "limit": "the paper judges 2000 replies",
    "lr": "that of the reward model's SFT, and of the ratios after DPO and PPO, are others in the paper",
    "epochs": "the reward model's SFT has two in the paper",
    "mean_ratio": "learned ratios are merged at the mean at which all averages are written",
}


def lines_of(recipe: str, *arguments: str, **variables: str) -> list[str]:
    """Return the command lines that a recipe would run, with the defaults of its other variables."""
    done = subprocess.run(
        ["bash", str(SCRIPTS / recipe), *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if read_line(line).command]


def differences(given: Settings, defaults: type[Settings] | Settings) -> Iterator[str]:
    """Yield the names of settings that have another value than by default; what has none is left out."""
    for one in fields(given):
        default: Any = one.default if isinstance(defaults, type) else getattr(defaults, one.name)
        if default is not MISSING and getattr(given, one.name) != default:
            yield one.name


def all_differences(line: str) -> Iterator[str]:
    """Yield the same of a command line, and of each of the measures of a sweep."""
    launched = read_line(line)
    module = __import__(f"ama.{launched.command}", fromlist=["COMMAND"])
    command: Command = module.COMMAND
    chosen = launched.settings()
    for group in command.groups:
        yield from differences(chosen[group if isinstance(group, type) else type(group)], group)
    if SweepSettings in command.groups:
        for word in chosen[SweepSettings].measure:
            kind = shlex.split(word)[0]
            yield from (f"{kind} {name}" for name in differences(read_measure(word), MEASURES[kind].group))


def check(found: set[str], named: Mapping[str, str]) -> None:
    assert found - named.keys() == set(), "neither the default nor named with a reason"
    assert named.keys() - found == set(), "named, and yet the default"


@pytest.mark.parametrize("recipe", RECIPES)
def test_variables_have_the_defaults_of_the_settings(recipe: str) -> None:
    (line,) = lines_of(recipe, dry_run="true")
    check({*all_differences(line)}, DIFFERENT.get(recipe, {}))


def test_so_have_those_of_the_whole_experiment() -> None:
    lines = lines_of(WHOLE, "--dry_run", general_data="", mask_means="0.2", methods="raft dpo ppo")
    assert len(lines) > 20
    check({name for line in lines for name in all_differences(line)}, WHOLE_DIFFERENT)


def test_the_named_differences_are_of_recipes() -> None:
    assert DIFFERENT.keys() <= {*RECIPES}
