"""How near learned ratios come to the best of a grid of the same mean, on tiny trained pairs."""

import argparse
import itertools
import json
from pathlib import Path

import torch
from code_pair import PairSettings, build_pair
from measure import machine
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ama.averaging.in_memory import InMemoryAverage
from ama.averaging.live import plan_live
from ama.averaging.schedules.schedule import Schedule
from ama.console.command import Chosen
from ama.data.labelled_blocks import label_blocks
from ama.data.samples import Sample
from ama.models import load_model, load_tokenizer, quiet
from ama.optimize_masks import COMMAND
from ama.ratios.learned_ratios import start_ratios
from ama.ratios.objective import Objective
from ama.ratios.retain import draw_unconditional
from ama.ratios.terms import Likelihood, Retain
from ama.ratios.trainer import ratio_arguments, train_ratios
from ama.settings.merging import Scope
from ama.settings.ratios import Approach, RatioSettings, RatioTrainingSettings
from ama.settings.samples import LossOn

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "masks" / "small_model.args"
MEAN, STEP, BLOCKS = 0.2, 0.05, 3
PROMPT, REPLY = 120, 200  # characters
SIZE, ROWS = 128, 48
console = Console(width=120)


def samples_of(text: str) -> list[Sample]:
    """Cut a text into pairs of a prompt and its continuation."""
    starts = range(0, len(text) - PROMPT - REPLY, PROMPT + REPLY)
    return [Sample(text[i : i + PROMPT], text[i + PROMPT : i + PROMPT + REPLY]) for i in starts]


def grid() -> list[tuple[float, ...]]:
    """Return every ratio of three blocks in steps of STEP whose mean is MEAN."""
    total = round(BLOCKS * MEAN / STEP)
    points = itertools.product(range(total + 1), repeat=BLOCKS)
    return [tuple(part * STEP for part in point) for point in points if sum(point) == total]


def settings_for(approach: Approach, loss_on: LossOn, retain: float, seed: int) -> Chosen:
    """Return the shipped configuration with what differs from run to run."""
    places = ["--before=.", "--after=.", "--data=.", "--out=."]
    choices = [
        f"--approach={approach}",
        f"--loss_on={loss_on}",
        f"--retain_weight={retain}",
        f"--seed={seed}",
    ]
    return COMMAND.parse([f"@{CONFIG}", *places, *choices])


def data_for(
    folder: Path, tokenizer: PreTrainedTokenizerBase, before: PreTrainedModel, loss_on: LossOn, seed: int
) -> tuple[dict[str, Tensor], Tensor]:
    """Return blocks of the code that after was trained on, and of before's own texts."""
    text = (folder / "texts" / "code_train.txt").read_text()
    data = label_blocks(samples_of(text), tokenizer, SIZE, loss_on)
    own = draw_unconditional(before, tokenizer, ROWS, SIZE, seed)
    return {name: values[:ROWS] for name, values in data.items()}, own


def learn(folder: Path, objective: Objective, chosen: Chosen) -> list[float]:
    """Return the ratios that the training ends with."""
    before, after = (load_model(folder / name, "float32") for name in ("before", "after"))
    blocks, ratios = start_ratios(after, chosen[RatioSettings])
    arguments = ratio_arguments(folder / "masks", chosen[RatioTrainingSettings])
    return train_ratios(before, after, ratios, blocks, objective, arguments).mask.ratios()


def compare(folder: Path, seed: int, settings: PairSettings, losses: list[LossOn], table: Table) -> None:
    """Add a row for each objective and approach of one pair."""
    build_pair(folder, seed, settings)
    before, after = (load_model(folder / name, "float32") for name in ("before", "after"))
    tokenizer, average = load_tokenizer(folder / "before"), InMemoryAverage(before, after)
    for loss_on in losses:
        data, own = data_for(folder, tokenizer, before, loss_on, seed)
        for retain in (0.0, 1.0):
            # The shipped configuration has no penalty.
            terms = [Likelihood(data, ROWS), *([Retain(retain, own, ROWS)] if retain else [])]
            objective = Objective(*terms)
            blocks, _ = start_ratios(
                after, settings_for(Approach.NORMALIZED, loss_on, retain, seed)[RatioSettings]
            )

            def value(ratios: tuple[float, ...]) -> float:
                schedule: Schedule = blocks.schedule(ratios, MEAN, extrapolate=True)  # noqa: B023
                model = average.mix(plan_live(before, after, schedule))
                return objective.of_model(model, torch.tensor(ratios))  # noqa: B023

            equal = value((MEAN,) * BLOCKS)
            best, point = min((value(point), point) for point in grid())
            for approach in (Approach.NORMALIZED, Approach.SHIFTED):
                ratios = learn(folder, objective, settings_for(approach, loss_on, retain, seed))
                gain = (equal - value(tuple(ratios))) / (equal - best)
                found = " ".join(f"{ratio:.3f}" for ratio in ratios)
                where = " ".join(f"{ratio:.2f}" for ratio in point)
                name = approach.removeprefix("mask_").removesuffix("_sigmoid_linear")
                row = (
                    str(seed),
                    str(loss_on),
                    f"{retain:g}",
                    name,
                    f"{equal:.4f}",
                    f"{best:.4f}",
                    where,
                    found,
                )
                table.add_row(*row, f"{gain:.1%}")


def main() -> None:
    """Read the command line, build the pairs, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the pairs; they are kept there")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--loss_on", nargs="+", default=list(LossOn), choices=list(LossOn))
    parser.add_argument("--pair", default="{}", help="sizes of the pair that differ, as JSON (for tests)")
    arguments = parser.parse_args()
    quiet()
    header = (
        "seed",
        "loss on",
        "retain",
        "approach",
        "equal",
        "best",
        "best ratios",
        "learned ratios",
        "gain",
    )
    table = Table(*header, box=MARKDOWN)
    for seed in arguments.seeds:
        pair = PairSettings(**json.loads(arguments.pair))
        compare(arguments.work / str(seed), seed, pair, list(map(LossOn, arguments.loss_on)), table)
    console.print(f"mean {MEAN}, grid of {len(grid())} points; {Scope.LINEAR} maps; {machine()}")
    console.print(table)


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
