"""python -m ama.show_front: pictures, page and tables of sweeps, and what it says of mistakes."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.call import call, complaint
from support.sweeps import AFTER, ARC, BEFORE, MODELS, REWARD, SQUAD, better, plain, save_sweep, without_tax

from ama.evaluation.scores import read_scores
from ama.show_front import main

FEW = ("--draws", "50")
SMALL = (BEFORE, AFTER, plain(0.3), plain(0.6), better("input third", 0.3, 0.1))
FILES = {"front.png", "front_groups.png", "gains.png", "gains.json", "report.html", "front.md"}


def _written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"sweep.json", "scores.jsonl", "scores_items"}


def test_a_sweep_gets_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_sweep(tmp_path / "front")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    call(main, folder, *FEW)
    assert _written(folder) == FILES
    assert all((folder / name).read_bytes() == content for name, content in before.items())
    text = (folder / "front.md").read_text()
    assert capsys.readouterr().out == text
    assert "| recommended: loses at most 5 % of the gain | " in text
    rows = [line for line in text.splitlines() if line.startswith("| input third | split")]
    assert len(rows) == sum(model.curve == "input third" for model in MODELS)
    assert r"split\|1#3\|0.6\|0.4\|0.3" in text
    for fact in (
        "models/before",
        "models/after",
        "n = 400, by lm_eval 0.4.13, limit None",
        "50 draws, seed 0",
    ):
        assert fact in text
    with Image.open(folder / "front.png") as image:
        assert image.size == (990, 780)
    page = (folder / "report.html").read_text()
    assert "<script src" not in page
    assert "cdn.plot.ly/plotly" not in page
    # The same command gives the same figures.
    call(main, folder, *FEW)
    assert (folder / "front.md").read_text() == text


def test_another_folder_and_other_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_sweep(tmp_path / "front", SMALL, (REWARD, ARC))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "front_groups.png").write_text("of an earlier report")
    call(main, folder, "--out", tmp_path / "out", *FEW, "--most_loss", "0.125", "--seed", "3")
    assert _written(folder) == set()
    # One group needs no panels.
    assert _written(tmp_path / "out") == FILES - {"front_groups.png", "gains.png"}
    out = capsys.readouterr().out
    assert "loses at most 12.5 % of the gain" in out
    assert "50 draws, seed 3" in out


def test_seeds_are_pooled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [save_sweep(tmp_path / f"seed{seed}", SMALL, seed=seed) for seed in range(2)]
    call(main, *folders, "--out", tmp_path / "pooled", *FEW)
    # One point is no curve to read gains from.
    assert _written(tmp_path / "pooled") == FILES - {"gains.png"}
    out = capsys.readouterr().out
    assert "## Each sweep by itself" in out
    assert all(f"| {folder} | input third | 1 |" in out for folder in folders)
    assert "Student's t" in out


@pytest.mark.parametrize("broken", ["no tax", "no parent", "no rows"])
def test_a_sweep_without_a_front_still_gets_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    models = list(SMALL)
    failures = {AFTER.weights: {"arc_easy acc": "killed"}} if broken == "no parent" else {}
    if broken == "no tax":
        models = [BEFORE, replace(AFTER, back=1.2), *without_tax(SMALL[2:])]
    folder = save_sweep(tmp_path / "front", models, (REWARD, ARC, SQUAD), failures=failures)
    if broken == "no rows":
        (folder / "scores.jsonl").unlink()
    call(main, folder, *FEW)
    assert _written(folder) == FILES - {"gains.png"}
    out = capsys.readouterr().out
    sentence = "There is no alignment tax here" if broken == "no tax" else "RLHF was not measured whole"
    assert sentence in out
    assert sentence in (folder / "report.html").read_text()
    assert "## Points" in out
    assert "## Curves" not in out


def test_parents_alone_have_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_sweep(tmp_path / "front", [BEFORE, AFTER], (REWARD, ARC))
    call(main, folder, *FEW)
    assert (
        "of the gain | parent | after | 0.000 | 100% [100%, 100%] | 0% [0%, 0%] |" in capsys.readouterr().out
    )


def test_mistakes_get_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_sweep(tmp_path / "front", SMALL, (REWARD, ARC))
    line = complaint(capsys, main, tmp_path / "none")
    assert "none holds no sweep.json: give the --out of `python -m ama.pareto`" in line
    assert not (tmp_path / "none").exists()
    for value in ("1.5", "-0.1", "nan"):
        line = complaint(capsys, main, folder, f"--most_loss={value}")
        assert f"--most_loss {value}: give a number in [0, 1]" in line
    assert "--draws 1: give 2 or more" in complaint(capsys, main, folder, "--draws", "1")
    assert "--seed -1: give 0 or more" in complaint(capsys, main, folder, "--seed=-1")
    assert "front is given twice" in complaint(capsys, main, folder, folder)
    (tmp_path / "file").write_text("")
    line = complaint(capsys, main, folder, "--out", tmp_path / "file" / "out", *FEW)
    assert line.startswith(f"error: output {tmp_path / 'file' / 'out'} can't be written: Not a directory")
    other = save_sweep(tmp_path / "other", SMALL[:-1], (REWARD, ARC))
    line = complaint(capsys, main, folder, other, *FEW)
    assert "have different curves (input third with 1): pool sweeps of the same curves" in line
    other = save_sweep(tmp_path / "another", SMALL, (REWARD, SQUAD))
    assert "have different measures (common sense (arc_easy acc), " in complaint(
        capsys, main, folder, other, *FEW
    )
    assert _written(folder) == set()


def test_broken_items_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_sweep(tmp_path / "front", SMALL, (REWARD, ARC))
    item = next((folder / "scores_items").iterdir())
    item.write_text("{")
    assert f"{item} holds no items of a score" in complaint(capsys, main, folder, *FEW)
    shutil.rmtree(folder / "scores_items")
    call(main, folder, *FEW)
    rows = len(read_scores(folder / "scores.jsonl"))
    assert rows == 2 * len(SMALL)
    assert f"hh reward has no items that give its number at {len(SMALL)} points" in capsys.readouterr().out
