"""python -m ama.evaluate_loss and ama.show_losses: the right numbers, measured once, shown as they are."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from support.call import call, complaint
from support.command import interpolate
from support.learning import EASY, OTHER, make_learner, write_text
from support.tiny import load, rewrite
from transformers import AutoModelForCausalLM, AutoTokenizer

from ama import show_losses
from ama.data import pack
from ama.evaluate_loss import main
from ama.evaluation.measures.loss import measure_loss
from ama.evaluation.scores import Score, read_scores


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder, the working directory, with two models and two texts."""
    monkeypatch.chdir(tmp_path)
    make_learner(Path("before"))
    make_learner(Path("after"))
    rewrite(Path("after"), {name: 0.9 * tensor for name, tensor in load(Path("after")).items()})
    write_text(Path())
    write_text(Path(), "other.txt", OTHER)
    return tmp_path


def _measure(
    *models: str, data: tuple[str, ...] = ("easy=easy.txt",), more: tuple[str, ...] = ()
) -> list[Score]:
    """Return the rows that are new."""
    scores = Path("scores.jsonl")
    known = len(read_scores(scores))
    call(main, "--models", *models, "--data", *data, "--scores", scores, "--block_size", "16", *more)
    return read_scores(scores)[known:]


@pytest.mark.usefixtures("scene")
def test_the_loss_is_that_of_a_straightforward_computation() -> None:
    loss, perplexity = _measure("before")
    model = AutoModelForCausalLM.from_pretrained("before")
    blocks = pack([EASY], AutoTokenizer.from_pretrained("before"), 16)
    with torch.no_grad():
        singly = torch.stack([model(block[None], labels=block[None]).loss.double() for block in blocks])
    assert (loss.metric, perplexity.metric) == ("loss", "perplexity")
    assert loss.n == perplexity.n == len(blocks) == 15
    assert loss.value == pytest.approx(singly.mean().item(), rel=1e-5)
    assert loss.stderr == pytest.approx(singly.std().item() / math.sqrt(15), rel=1e-4)
    assert perplexity.value == pytest.approx(math.exp(loss.value))
    assert perplexity.stderr == pytest.approx(math.exp(loss.value) * loss.stderr)


@pytest.mark.usefixtures("scene")
def test_the_batch_does_not_matter() -> None:
    model = AutoModelForCausalLM.from_pretrained("before")
    blocks = pack([OTHER], AutoTokenizer.from_pretrained("before"), 16)
    means = [measure_loss(model, blocks, batch).mean for batch in (1, 4, 99)]
    assert means == pytest.approx([means[0]] * 3, rel=1e-6)


@pytest.mark.usefixtures("scene")
def test_one_block_has_no_standard_error() -> None:
    loss, perplexity = _measure("before", more=("--max_blocks", "1"))
    assert (loss.n, loss.stderr, perplexity.stderr) == (1, None, None)


@pytest.mark.usefixtures("scene")
def test_what_was_measured_is_not_measured_again() -> None:
    assert len(_measure("before", "after")) == 4
    with patch("ama.evaluation.subject.load_model", side_effect=AssertionError):
        assert _measure("before", "after") == []
    both = ("easy=easy.txt", "other=other.txt")
    assert [score.task for score in _measure("before", "after", data=both)] == ["other"] * 4
    again = _measure("before", more=("--rerun",))
    assert [score.value for score in again] == [
        score.value for score in read_scores(Path("scores.jsonl"))[:2]
    ]


@pytest.mark.usefixtures("scene")
def test_changed_weights_a_changed_text_and_other_settings_are_measured_anew() -> None:
    first, _ = _measure("before")
    rewrite(Path("before"), {name: 1.1 * tensor for name, tensor in load(Path("before")).items()})
    changed, _ = _measure("before")
    assert changed.value != first.value
    write_text(Path(), text=OTHER)
    assert len(_measure("before")) == 2
    assert len(_measure("before", more=("--max_blocks", "3"))) == 2


def test_an_average_brings_its_schedule_and_a_rerun_of_the_merge_changes_nothing(scene: Path) -> None:
    part_wise = "pma_0.5_b_split|0#1|0.6|0.4|0.2_a"
    for name, alpha in (("one", "1"), ("half", "0.5"), (part_wise, "0.5")):
        interpolate("before", "after", scene / name, "--alpha", alpha)
    rows = _measure("before", "one", "half", part_wise)[::2]
    assert [row.schedule for row in rows] == ["", "1.0", "0.5", "split|0#1|0.6|0.4|0.2"]
    assert [row.settings["ratio"] for row in rows] == [None, 1.0, 0.5, 0.5]
    assert rows[1].value == rows[0].value
    interpolate("before", "after", scene / "half", "--alpha", "0.5", "--overwrite")
    assert _measure("half") == []
    interpolate("before", "after", scene / "half", "--alpha", "0.25", "--overwrite")
    assert [row.settings["ratio"] for row in _measure("half")] == [0.25, 0.25]


@pytest.mark.usefixtures("scene")
def test_the_scores_are_shown_as_table_as_csv_and_as_plot(capsys: pytest.CaptureFixture[str]) -> None:
    rows = _measure("before", "after", data=("easy=easy.txt", "other=other.txt"))
    capsys.readouterr()
    call(show_losses.main, "scores.jsonl", "--before", "before", "--after", "after", "--plot", "a.svg")
    table = capsys.readouterr().out
    losses = [row for row in rows if row.metric == "loss"]
    assert all(f"{row.value:.4f} ± {row.stderr:.4f}" in table for row in losses)
    assert "easy (15 blocks)" in table
    assert "<svg" in Path("a.svg").read_text()
    call(show_losses.main, "scores.jsonl", "--metric", "perplexity", "--csv")
    shown = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    perplexities = [row for row in rows if row.metric == "perplexity"]
    assert [(row["model"], row["task"], float(row["value"])) for row in shown] == [
        (row.model, row.task, row.value) for row in perplexities
    ]


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"--models": "missing"}, "no such folder: missing"),
        ({"--models": "."}, ".: not a model folder (no config.json)"),
        ({"--data": "easy.txt"}, "--data 'easy.txt' is not NAME=FILE"),
        ({"--data": "easy=missing.txt"}, "No such file or directory: missing.txt"),
        ({"--block_size": "9999"}, "fill no block of 9999"),
        ({"--batch": "0"}, "--batch 0: give 1 or more"),
        ({"--max_blocks": "0"}, "--max_blocks 0: give 1 or more"),
        ({"--scores": "easy.txt"}, "easy.txt: line 1: not JSON"),
    ],
)
def test_mistakes_get_one_line(
    capsys: pytest.CaptureFixture[str], changes: dict[str, str], said: str
) -> None:
    options = {"--models": "before", "--data": "easy=easy.txt", "--scores": "scores.jsonl", **changes}
    assert said in complaint(capsys, main, *(part for option in options.items() for part in option))
    assert not Path("scores.jsonl").exists()


@pytest.mark.usefixtures("scene")
def test_names_given_twice_and_weights_that_are_missing_are_mistakes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("--scores", "scores.jsonl", "--block_size", "16", "--data", "a=easy.txt")
    assert "each text needs a name of its own" in complaint(
        capsys, main, "--models", "before", *arguments, "a=x.txt"
    )
    tensors = load(Path("before"))
    del tensors["model.norm.weight"]
    rewrite(Path("before"), tensors)
    assert "the weights lack model.norm.weight" in complaint(capsys, main, "--models", "before", *arguments)


def test_showing_needs_scores_and_known_parents(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "missing.jsonl: no such file" in complaint(capsys, show_losses.main, scene / "missing.jsonl")
    _measure("before")
    capsys.readouterr()
    line = complaint(capsys, show_losses.main, "scores.jsonl", "--after", "after")
    assert line == "error: --after after: not among the measured models: before"
