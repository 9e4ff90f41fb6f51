"""The Python API: light to import, and every example of docs/api.md runs, in order, on tiny models."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.evaluating import make_eval_data, make_reader
from support.masking import save_judge

import ama
from ama.models import load_tokenizer

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models and data that the examples name."""
    home = tmp_path_factory.mktemp("api")
    make_eval_data(home / "data")
    for seed, name in enumerate(("sft", "rlhf")):
        make_reader(home / "models" / name, seed + 1)
    reads = load_tokenizer(home / "models" / "sft")
    reads.save_pretrained(save_judge(home / "models" / "reward", vocabulary=len(reads)))
    prompts = [f"###Human: what is {number}?###Assistant:" for number in range(9)]
    for name, reply in (("prompts", ""), ("collected", " what is it? " * 8)):
        rows = [{"text": prompt + reply} for prompt in prompts]
        (home / "data" / f"{name}.json").write_text(json.dumps({"type": "text_only", "instances": rows}))
    return home


def test_importing_ama_is_light() -> None:
    code = "import sys, ama; print(*ama.__all__, *dir(ama)); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, modules = result.stdout.splitlines()
    assert {"average", "learn_ratios", "sweep", "__version__"} <= set(names.split())
    assert not {"torch", "transformers", "numpy", "jsonargparse", "yaml"} & set(modules.split())


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match="module 'ama' has no attribute 'mean'"):
        ama.mean  # noqa: B018


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_runs(number: int, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    # What an evaluation sets for its process is undone at the end.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    exec(compile(EXAMPLES[number], f"{DOCS.name}, example {number}", "exec"), {})


@pytest.mark.slow
def test_the_examples_leave_what_they_say(home: Path) -> None:
    for name in ("plain_0.3", "by_part", "ama_0.3"):
        assert (home / "output" / name / "model.safetensors").is_file()
    assert not (home / "output" / "not_written").exists()
    assert (home / "output" / "masks" / "mask_alphas.bin").is_file()
    assert (home / "output" / "front" / "report.html").is_file()
