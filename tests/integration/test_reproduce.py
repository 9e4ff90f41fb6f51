"""scripts/reproduce: each experiment from end to end on tiny models, and what a second run does."""

import json
from pathlib import Path

import pytest
from support.experiment import make_home, make_llama_of_bytes, make_mistral_of_bytes, run_recipe
from support.pairrm import save_pairrms

from ama.evaluation.scores import read_scores

PART_WISE = "pma_before_split|1#2|0.4|0|0@0"


def _scores(path: Path) -> set[tuple[str, str]]:
    return {(row.task, Path(row.model).name) for row in read_scores(path)}


def _averages(name: str) -> set[str]:
    return {f"pma_0.2_before_{name}", f"{PART_WISE}_{name}", f"ama_0.2_before_{name}"}


def _check_front(folder: Path, tasks: set[str]) -> None:
    assert (folder / "report.html").is_file()
    rows = read_scores(folder / "scores.jsonl")
    # A sweep names its prompts by their folder.
    assert {row.task for row in rows} == {"rlhf_eval" if task == "hh_rlhf" else task for task in tasks}
    # Two parents, one plain and one part-wise average, one by learned ratios.
    assert len({row.settings["weights"] for row in rows}) == 5


@pytest.mark.slow
def test_openllama_3b_with_ppo(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    make_llama_of_bytes(home / "models" / "base", 1)
    text = {"text": "###Human: Count to three.###Assistant: One, two, three."}
    (home / "general.json").write_text(json.dumps({"type": "text_only", "instances": [text] * 8}))
    settings = {"base_model": "models/base", "general_data": "general.json", "methods": "ppo"}
    settings |= {"other_evaluations": "squad"}

    done = run_recipe(home, "openllama_3b", **settings)
    assert done.returncode == 0, done.stderr

    output = home / "output" / "openllama_3b"
    assert json.loads((output / "before" / "training.json").read_text())
    names = {"before", "ppo", *_averages("ppo")}
    tasks = {"piqa", "hh_rlhf", "squadv2"}
    assert _scores(output / "scores" / "scores.jsonl") == {(task, name) for task in tasks for name in names}
    _check_front(output / "front_ppo", tasks)
    assert (output / "logs" / "ppo.log").is_file()

    again = run_recipe(home, "openllama_3b", **settings)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count(" is done: ") == done.stdout.count("== ")
    other = run_recipe(home, "openllama_3b", **settings, sft_lr="2e-5")
    assert other.returncode == 2
    assert other.stderr.startswith("error: output/openllama_3b/before was made with other settings")


@pytest.mark.slow
def test_smollm2_135m_with_raft_and_dpo(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    make_llama_of_bytes(home / "models" / "base", 1)
    settings = {"base_model": "models/base", "methods": "raft dpo", "other_evaluations": ""}

    done = run_recipe(home, "smollm2_135m", **settings)
    assert done.returncode == 0, done.stderr

    output = home / "output" / "smollm2_135m"
    assert (output / "raft" / "iteration_01" / "collected.json").is_file()
    names = {"before", "model", "dpo", *_averages("raft"), *_averages("dpo")}
    tasks = {"piqa", "hh_rlhf"}
    assert _scores(output / "scores" / "scores.jsonl") == {(task, name) for task in tasks for name in names}
    for method in ("raft", "dpo"):
        _check_front(output / f"front_{method}", tasks)
    assert f"  dpo: {output.relative_to(home)}/dpo" in done.stdout.splitlines()


@pytest.mark.slow
def test_mistral_7b_with_pairrm(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    for seed, name in enumerate(("sft", "zephyr")):
        make_mistral_of_bytes(home / "models" / name, seed)
    save_pairrms(home / "models")
    settings = {"before": "models/sft", "after": "models/zephyr", "pairrm_path": "models/PairRM-hf"}
    settings |= {"other_evaluations": "drop"}

    done = run_recipe(home, "mistral_7b", **settings)
    assert done.returncode == 0, done.stderr

    output = home / "output" / "mistral_7b"
    names = {"sft", "zephyr", *_averages("zephyr")}
    tasks = {"piqa", "drop_gen", "alpaca_eval"}
    assert _scores(output / "scores" / "scores.jsonl") == {(task, name) for task in tasks for name in names}
    _check_front(output / "front_zephyr", tasks)
