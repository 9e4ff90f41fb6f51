"""python -m ama.build_sandbox in a world of a few animals: whole, kept, resumed to the same bytes."""

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from support.call import call, complaint
from support.learning import crash_at_call
from support.tiny import same

from ama import build_sandbox, pareto
from ama.data.samples import read_samples
from ama.evaluation.items import read_items
from ama.evaluation.measures.gold import gold_numbers
from ama.evaluation.scores import read_scores
from ama.models import load_model, load_reward_model, load_tokenizer
from ama.sandbox.gold import world_of
from ama.settings.sandbox import CONTEXT, FULL, SandboxSize, WorldSettings

pytestmark = pytest.mark.slow

WORLD = WorldSettings(
    animals=6, nouns=4, lessons=200, pairs=40, held_out_pairs=10, held_out_prompts=16, questions=6
)


def _tiny() -> SandboxSize:
    full = FULL
    short = {"max_steps": 2, "save_steps": 1}
    stage = {**short, "batch": 4, "micro_batch": 4}
    return replace(
        full,
        world=WORLD,
        layers=2,
        width=16,
        before=replace(full.before, **short, batch=4),
        reward=replace(full.reward, **stage),
        raft=replace(
            full.raft,
            raft=replace(full.raft.raft, iterations=1, prompts_per_iteration=6),
            sampling=replace(full.raft.sampling, samples=2, max_new_tokens=6),
            collection=replace(full.raft.collection, collected=5),
            training=replace(full.raft.training, **stage),
        ),
        dpo=replace(full.dpo, **stage),
    )


SETTINGS = patch.dict("ama.settings.sandbox.SIZES", full=_tiny())
ONE_THREAD = ("--threads", "1")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sandbox") / "out"
    with SETTINGS:
        call(build_sandbox.main, "--out", out, "--seed", "5", "--dpo", "--prompt_loss", *ONE_THREAD)
    return out


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_every_folder_loads(sandbox: Path) -> None:
    for name in ("before", "after", "after_dpo", "after_prompt_loss"):
        assert load_model(sandbox / name).config.max_position_embeddings == CONTEXT
        assert load_tokenizer(sandbox / name).eos_token == "<end>"
        assert name == "before" or not same(sandbox / name, sandbox / "before")
    assert not same(sandbox / "after", sandbox / "after_prompt_loss")
    load_reward_model(sandbox / "reward_model")
    assert len(read_samples(sandbox / "data" / "lessons.json")) >= WORLD.lessons
    for name in ("collected", "collected_dpo", "collected_prompt_loss"):
        samples = read_samples(sandbox / name / "collected.json")
        assert len(samples) == 5
        assert all(sample.reward is not None for sample in samples)
        (gold,) = gold_numbers(sandbox, samples)
        assert -3 <= gold.value <= 3
    assert not [path for path in sandbox.rglob("*") if path.name.endswith((".work", "staging"))]


def test_lm_eval_reads_the_tasks(sandbox: Path) -> None:
    from ama.evaluation.measures.harness.tasks import Tasks

    names = ["arc_easy", "squadv2", "wmt14-fr-en"]
    tasks = Tasks(names, sandbox / "tasks")
    for name, rows in zip(names, world_of(sandbox).tasks().values(), strict=True):
        assert len(list(tasks.load(name).eval_docs)) == len(rows), name


def test_a_second_call_does_nothing(sandbox: Path) -> None:
    before = _files(sandbox)
    with SETTINGS:
        call(build_sandbox.main, "--out", sandbox, "--seed", "5", "--dpo", *ONE_THREAD)
    assert _files(sandbox) == before


def test_a_run_that_was_cut_short_goes_on_to_the_same_models(
    sandbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ("--out", out, "--seed", "5", *ONE_THREAD)
    # Each training has two steps: these are the second ones of before, of the reward model and of RAFT.
    for number, begun in ((2, "before"), (3, "reward_model"), (3, "raft/iteration_01/model")):
        with SETTINGS, crash_at_call(number), pytest.raises(KeyboardInterrupt):
            call(build_sandbox.main, *arguments)
        assert not (out / begun).exists()
        assert (out / f"{begun}.work" / "checkpoint-1").is_dir()
    capsys.readouterr()
    with SETTINGS:
        call(build_sandbox.main, *arguments)
    said = capsys.readouterr().err
    assert "sandbox: before" not in said
    assert "going on at step 1" in said
    for name in ("before", "reward_model", "after"):
        weights = [(folder / name / "model.safetensors").read_bytes() for folder in (out, sandbox)]
        assert weights[0] == weights[1], name
    collected = [(folder / "collected" / "collected.json").read_bytes() for folder in (out, sandbox)]
    assert collected[0] == collected[1]


def test_mistakes_get_one_line(sandbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = _files(sandbox)
    with SETTINGS:
        line = complaint(capsys, build_sandbox.main, "--out", sandbox, "--seed", "6")
    assert "holds a sandbox of another seed than 6" in line
    line = complaint(capsys, build_sandbox.main, "--out", sandbox, "--seed", "5")
    assert "holds a sandbox of another size or version" in line
    (tmp_path / "file").write_text("")
    line = complaint(capsys, build_sandbox.main, "--out", tmp_path / "file", "--seed", "5")
    assert f"output {tmp_path / 'file'} can't be written" in line
    line = complaint(capsys, build_sandbox.main, "--out", tmp_path / "new", "--seed", "-1")
    assert "--seed" in line
    assert _files(sandbox) == files
    assert not (tmp_path / "new").exists()
    assert json.loads((sandbox / "sandbox.json").read_text())["seed"] == 5


def test_a_sweep_shows_the_gold_score_of_the_replies_that_the_reward_judges(
    sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    sampling = "--max_new_tokens 6 --sample_batch 8"
    prompts = sandbox / "data" / "held_out_prompts.json"
    measures = (
        f"gold --world {sandbox} {sampling}",
        f"reward --reward_model {sandbox / 'reward_model'} --prompts {prompts} {sampling}",
        f"harness --tasks arc_easy --eval_data {sandbox / 'tasks'}",
    )
    words = [word for measure in measures for word in ("--measure", measure)]
    models = ("--before", sandbox / "before", "--after", sandbox / "after")
    call(pareto.main, *models, "--curve", "plain", "0.5", *words, "--out", tmp_path)
    rows = [row for row in read_scores(tmp_path / "scores.jsonl") if row.metric == "gold"]
    assert [row.group for row in rows] == ["gold"] * 3
    # One folder for each model: what the gold score has seen was not drawn again.
    replies = list((tmp_path / "replies").glob("*/replies.json"))
    assert len(replies) == 3
    found = [gold_numbers(sandbox, read_samples(path))[0].value for path in replies]
    assert sorted(found) == sorted(row.value for row in rows)
    assert read_items(tmp_path / "scores.jsonl", rows[0])
