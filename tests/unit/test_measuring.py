"""The table of measures, and the loop that runs them: what is opened, when, and what a failure ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ama.errors import UserError
from ama.evaluation.loop import measure_models, measure_points
from ama.evaluation.measure import Measure, Measurement, Number
from ama.evaluation.recording import ScoreBook
from ama.evaluation.scores import read_scores
from ama.evaluation.subject import Subject
from ama.evaluation.sweep.words import read_measure
from ama.settings.base import Settings
from ama.settings.measures import MEASURES, HarnessSettings, LossSettings, PairrmSettings, kind_of


def _load(dtype: str) -> Any:
    raise AssertionError("no model is loaded here")


SUBJECTS = [Subject(name, "", None, f"weights of {name}", None, _load) for name in ("one", "two")]


@dataclass
class Noted(Measure):
    """A measure that writes down what is done with it."""

    what: Measurement
    log: list[str]
    has_judge: bool = False
    shares: str = ""
    fails: Sequence[str] = ()
    metrics: tuple[str, ...] = field(default=("length",))

    @property
    def opening(self) -> str | int:
        return self.shares or id(self)

    def prepare(self) -> None:
        self.log.append(f"prepare {self.what.task}")

    def open(self, subject: Subject) -> str:
        self.log.append(f"open {subject.model} {self.what.task}")
        return subject.model

    def run(self, subject: Subject, opened: Any) -> list[Number]:
        assert opened == subject.model
        self.log.append(f"run {subject.model} {self.what.task}")
        if subject.model in self.fails:
            raise RuntimeError("out of luck\nand of memory")
        return [Number("length", 1.0, None, 1)]

    def forget(self, subject: Subject) -> None:
        self.log.append(f"forget {subject.model} {self.what.task}")


def noted(log: list[str], task: str, **more: Any) -> Noted:
    return Noted(Measurement("other", task, "ama", {}), log, **more)


def test_a_model_is_opened_once_for_all_measures_that_share_it(tmp_path: Path) -> None:
    log: list[str] = []
    measures = [noted(log, "a", shares="x"), noted(log, "b", shares="x"), noted(log, "c")]
    measure_models(SUBJECTS, measures, ScoreBook(tmp_path / "s.jsonl"))
    one = ["open one a", "run one a", "forget one a", "run one b", "forget one b"]
    one += ["open one c", "run one c", "forget one c"]
    two = [line.replace("one", "two") for line in one]
    assert log == ["prepare a", "prepare b", "prepare c", *one, *two]
    rows = read_scores(tmp_path / "s.jsonl")
    assert [(row.model, row.task) for row in rows] == [(m, t) for m in ("one", "two") for t in "abc"]


def test_all_models_reply_before_a_judge_is_loaded(tmp_path: Path) -> None:
    log: list[str] = []
    measure_models(SUBJECTS, [noted(log, "a", has_judge=True)], ScoreBook(tmp_path / "s.jsonl"))
    assert log[:3] == ["prepare a", "open one a", "open two a"]
    assert [line for line in log[3:] if line.startswith("run")] == ["run one a", "run two a"]


def test_what_has_a_row_is_neither_prepared_nor_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.jsonl"
    measure_models(SUBJECTS[:1], [noted([], "a")], ScoreBook(path))
    capsys.readouterr()
    log: list[str] = []
    measure_models(SUBJECTS[:1], [noted(log, "a"), noted(log, "b")], ScoreBook(path))
    assert log == ["prepare b", "open one b", "run one b", "forget one b"]
    assert "one: length on a is there already (--rerun measures again)" in capsys.readouterr().err
    log.clear()
    measure_models(SUBJECTS[:1], [noted(log, "a")], ScoreBook(path, rerun=True))
    assert "run one a" in log


def test_the_first_failure_ends_a_command_and_leaves_the_rows_before_it(tmp_path: Path) -> None:
    log: list[str] = []
    measures = [noted(log, "a"), noted(log, "b", fails=["one"])]
    with pytest.raises(RuntimeError, match="out of luck"):
        measure_models(SUBJECTS, measures, ScoreBook(tmp_path / "s.jsonl"))
    assert [(row.model, row.task) for row in read_scores(tmp_path / "s.jsonl")] == [("one", "a")]
    assert "forget one b" not in log


def test_a_sweep_goes_on_with_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log: list[str] = []
    measures = [noted(log, "a", fails=["one"], has_judge=True), noted(log, "b")]
    names = {SUBJECTS[0].fingerprint: "plain 0.3"}
    failures = measure_points(SUBJECTS, measures, ScoreBook(tmp_path / "s.jsonl"), names)
    assert [(one.subject.model, one.measure.what.task, one.reason) for one in failures] == [
        ("one", "a", "out of luck")
    ]
    rows = [(row.model, row.task) for row in read_scores(tmp_path / "s.jsonl")]
    assert rows == [("one", "b"), ("two", "a"), ("two", "b")]
    # One average is in memory at a time.
    assert [line.split()[1] for line in log if not line.startswith("prepare")] == ["one"] * 5 + ["two"] * 6
    said = capsys.readouterr().err
    assert "plain 0.3: a failed: out of luck\n" in said
    assert "1/4: plain 0.3, a\n" in said
    assert "4/4: two, b, 0 s left" in said


def test_folders_are_asked_for_before_anything_is_done(tmp_path: Path) -> None:
    class Vllm(Noted):
        needs_folder = True

    log: list[str] = []
    with pytest.raises(UserError, match="--engine vllm reads whole checkpoints, not one: merge it first"):
        measure_models(
            SUBJECTS, [Vllm(Measurement("other", "a", "ama", {}), log)], ScoreBook(tmp_path / "s.jsonl")
        )
    assert not log


@pytest.mark.parametrize("name", MEASURES)
def test_every_kind_of_the_table_has_its_measures(name: str) -> None:
    kind = MEASURES[name]
    module, _, function = kind.measures.partition(":")
    assert callable(getattr(import_module(module), function))
    assert issubclass(kind.settings, Settings)
    assert [other for other in MEASURES.values() if other.settings is kind.settings] == [kind]


def test_a_measure_in_one_word_keeps_its_own_options() -> None:
    words = ("harness --tasks arc_easy --limit 3", "harness --tasks squadv2", "loss --data a=b.txt c=d.txt")
    first, second, loss = map(read_measure, words)
    # In a sweep the bootstrap would take longer than a small model.
    assert first == HarnessSettings(tasks=("arc_easy",), limit=3, bootstrap=0)
    assert second == HarnessSettings(tasks=("squadv2",), bootstrap=0)
    assert isinstance(loss, LossSettings)
    assert loss.texts == {"a": Path("b.txt"), "c": Path("d.txt")}
    assert kind_of(loss) is MEASURES["loss"]
    assert HarnessSettings().bootstrap is None
    with pytest.raises(UserError, match="--samples 2: give a number in \\[1, 1\\]"):
        PairrmSettings(references=Path("x"), samples=2)
    with pytest.raises(UserError, match=r"--limt.*did you mean --limit"):
        read_measure("harness --limt 3")
