"""AlpacaEval: its prompts, the reference outputs, and outputs of models to compare with."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ama.checkpoint.whole_file import write_whole
from ama.console.table import print_table
from ama.data.hub_files import HubRepo
from ama.data.lmflow import lmflow_text, parse_json, read_utf8
from ama.data.prepared import prepared_folder, sha256_of, stands
from ama.errors import UserError
from ama.settings.data import AlpacaEvalSettings

REPO = "tatsu-lab/alpaca_eval"
REMEDY = "without internet set ALPACA_EVAL_SOURCE=DIR, a local copy"
KIND = "instruction_to_outputs"
REFERENCE = "reference"
FILE = "alpaca_eval.json"
# On the hub: the prompts with outputs of text_davinci_003, and the outputs that AlpacaEval 2 compares with.
HUB_PROMPTS = "alpaca_eval.json"
HUB_OUTPUTS: Mapping[str, str] = {"gpt4_1106_preview": "alpaca_eval_gpt4_baseline.json"}
LOCAL_PROMPTS = ("alpaca_eval.jsonl", "alpaca_eval.json")


def prepare_alpaca_eval(settings: AlpacaEvalSettings) -> None:
    """Write the prompts with the outputs of all models, unless they are there already, and print the counts.

    Raises:
        UserError: files that are missing or can't be read, or a target that may not be replaced.
    """
    if settings.source is not None and not settings.source.is_dir():
        raise UserError(f"no such folder: {settings.source}; {REMEDY}")
    files = find_on_hub(settings.revision) if settings.source is None else find_local(settings.source)
    origin = {"read": {name: sha256_of(path) for name, path in files.items()}}
    if stands(settings.out, origin):
        sys.stderr.write(f"{settings.out} is there already, made of the same files\n")
        return
    source = f"{REPO} at {settings.revision}" if settings.source is None else str(settings.source)
    facts: dict[str, Any] = {"source": source}
    inputs = [] if settings.source is None else [settings.source]
    with prepared_folder(settings.out, inputs, origin, facts, overwrite=settings.overwrite) as staging:
        instances = join_outputs(files)
        write_whole(staging / FILE, lmflow_text(KIND, instances))
        facts["prompts"] = len(instances)
        facts["empty_outputs"] = {
            name: sum(not instance["outputs"][name].strip() for instance in instances) for name in files
        }
    rows = [(name, path.name, len(instances), facts["empty_outputs"][name]) for name, path in files.items()]
    print_table(f"written to {settings.out / FILE}", ("outputs of", "file", "prompts", "empty"), rows)


def find_on_hub(revision: str) -> dict[str, Path]:
    """Fetch the files from the hub.

    Returns:
        The prompts' file under `reference`, and a file of outputs under the name of each model.

    Raises:
        UserError: the hub can't be asked, or has not got a file.
    """
    repo = HubRepo(REPO, revision, REMEDY)
    files = {}
    for name, file in {REFERENCE: HUB_PROMPTS, **HUB_OUTPUTS}.items():
        path = repo.fetch(file)
        if path is None:
            raise UserError(f"{REPO} at {revision} has no {file}: choose another --revision")
        files[name] = path
    return files


def find_local(source: Path) -> dict[str, Path]:
    """Return the same of a folder with alpaca_eval.jsonl (or .json) and model_outputs/MODEL.json.

    Raises:
        UserError: there are no prompts.
    """
    prompts = [source / name for name in LOCAL_PROMPTS if (source / name).is_file()]
    if not prompts:
        raise UserError(f"{source} has no {LOCAL_PROMPTS[0]}: {REMEDY} with it and model_outputs/MODEL.json")
    outputs = sorted(source.glob("model_outputs/*.json"))
    return {REFERENCE: prompts[0]} | {path.stem: path for path in outputs}


def join_outputs(files: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return an instance for each prompt of `reference`, with the outputs of all.

    Args:
        files: see `find_on_hub`.

    Raises:
        UserError: a file that can't be read, a row without its texts, a prompt that comes twice, or one
            that a model has no output for; names file and row.
    """
    outputs = {name: read_outputs(path) for name, path in files.items()}
    for name, found in outputs.items():
        lost = [prompt for prompt in outputs[REFERENCE] if prompt not in found]
        if lost:
            raise UserError(
                f"{files[name]} has no output for {len(lost)} of the prompts, the first {lost[0][:60]!r}"
            )
    return [
        {
            "instruction": prompt,
            "dataset": row.get("dataset", ""),
            "outputs": {name: found[prompt]["output"] for name, found in outputs.items()},
        }
        for prompt, row in outputs[REFERENCE].items()
    ]


def read_outputs(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a file of one model's outputs, as AlpacaEval writes it, by prompt.

    Raises:
        UserError: it can't be read, a row lacks its texts, or a prompt comes twice; names the row.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(_rows(path)):
        for name in ("instruction", "output"):
            if not isinstance(row, dict) or not isinstance(row.get(name), str):
                raise UserError(f"{path}: row {number}: needs text under {name!r}")
        if row["instruction"] in found:
            raise UserError(f"{path}: row {number}: its instruction has come before: drop one of the two")
        found[row["instruction"]] = row
    return found


def _rows(path: Path) -> list[Any]:
    content = read_utf8(path)
    if path.suffix == ".jsonl":
        lines = enumerate(content.split("\n"), start=1)
        return [parse_json(line, f"{path}: line {number}") for number, line in lines if line.strip()]
    rows = parse_json(content, str(path))
    if not isinstance(rows, list):
        raise UserError(f"{path}: needs a list of outputs, as AlpacaEval writes it")
    return rows
