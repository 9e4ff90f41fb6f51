from pathlib import Path

import pytest

from ama.averaging.schedules.grammar import merge_schedule
from ama.averaging.schedules.schedule import Schedule
from ama.errors import UserError
from ama.settings.merging import Scope

TAG = "split|10#20|0.4|0.3|0.2"
PARTWISE = Schedule(0.3, (10, 20), (0.4, 0.3, 0.2))


def from_yaml(folder: Path, text: str, alpha: float | None = None, name: str = "merged") -> Schedule:
    (folder / "schedule.yaml").write_text(text)
    return merge_schedule(alpha, str(folder / "schedule.yaml"), name, Scope.ALL)


def test_alpha_alone_is_plain_averaging() -> None:
    assert merge_schedule(0.3, None, "merged", Scope.LINEAR) == Schedule(0.3, scope=Scope.LINEAR)


def test_a_tag_as_argument_in_the_save_name_or_both() -> None:
    assert merge_schedule(0.3, TAG, "merged", Scope.ALL) == PARTWISE
    assert merge_schedule(0.3, None, f"pma_0.3_a_{TAG}_b", Scope.ALL) == PARTWISE
    assert merge_schedule(0.3, "split|10#20|.40|0.3|2e-1", f"pma_0.3_a_{TAG}_b", Scope.ALL) == PARTWISE


def test_scope_reaches_a_schedule_from_a_tag() -> None:
    assert merge_schedule(0.3, TAG, "merged", Scope.LINEAR).scope is Scope.LINEAR


def test_all_keys_of_a_file(tmp_path: Path) -> None:
    text = "ratio: 0.3\npivots: [10, 20]\nratios: [0.4, 0.3, 0.2]\nlm_head: 0\nmodules: {'*.mlp.*': 0.5}\n"
    expected = Schedule(0.3, (10, 20), (0.4, 0.3, 0.2), lm_head=0.0, modules={"*.mlp.*": 0.5})
    assert from_yaml(tmp_path, text) == expected


def test_a_files_ratio_may_come_from_alpha(tmp_path: Path) -> None:
    text = "pivots: [10, 20]\nratios: [0.4, 0.3, 0.2]\n"
    assert from_yaml(tmp_path, text, alpha=0.3) == PARTWISE
    assert from_yaml(tmp_path, f"ratio: 0.3\n{text}", alpha=0.3) == PARTWISE
    assert from_yaml(tmp_path, text, alpha=0.3, name=f"m_{TAG}") == PARTWISE


def test_a_files_name_may_begin_with_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "split_3b.yaml").write_text("ratio: 0.3")
    monkeypatch.chdir(tmp_path)
    assert merge_schedule(None, "split_3b.yaml", "merged", Scope.ALL) == Schedule(0.3)


@pytest.mark.parametrize(
    ("alpha", "text", "name", "message"),
    [
        (None, None, "merged", "no ratio given: say --ratio 0.3"),
        (None, TAG, "merged", "no ratio given: say --ratio 0.3"),
        (0.3, "partwise", "merged", "--schedule 'partwise' is neither a split tag"),
        (0.3, "", "merged", "--schedule '' is neither a split tag"),
        (
            0.3,
            TAG,
            "m_split|10#20|0.4|0.3|0.1",
            f"--schedule '{TAG}' and the save name's 'split|10#20|0.4|0.3|0.1' dis",
        ),
        (0.3, TAG, "m_split0|10#20|0.4|0.3|0.2", "disagree: drop one of them"),
        (0.3, None, "m_splits", "in split tag 'splits'"),
        (
            0.3,
            "/nowhere/schedule.yaml",
            "merged",
            "schedule /nowhere/schedule.yaml can't be read: No such file",
        ),
    ],
)
def test_arguments_that_give_no_schedule(
    alpha: float | None, text: str | None, name: str, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        merge_schedule(alpha, text, name, Scope.ALL)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no mapping: write keys such as ratio: 0.3"),
        ("- 0.3", "holds no mapping"),
        ("0.3", "holds no mapping"),
        ("ratio: [", "is no YAML: while parsing"),
        ("ratio: 2001-99-99", "is no YAML: month must be in 1..12"),
        ("ratio: !!python/object/apply:os.system ['true']", "is no YAML: could not determine a constructor"),
        ("[" * 10_000, "is no YAML: maximum recursion depth exceeded"),
        ("\x00", "is no YAML"),
        ("ratio: 0.3\nalphas: 1", "'alphas' is not among its keys lm_head, modules, pivots, ratio, ratios"),
        ("ratio: 0.3\n1: 1", "'1' is not among its keys"),
        ("pivots: [1]", "no ratio given"),
        ("ratio: abc", "ratio: ratio 'abc' is no number"),
        ("ratio: .nan", "ratio: ratio 'nan' is no number"),
        ("ratio: true", "ratio: ratio 'True' is no number"),
        ("ratio: 1.5", "ratio: ratio 1.5 lies outside [0, 1]"),
        ("ratio: 0.3\nlm_head: -1", "lm_head: ratio -1 lies outside [0, 1]"),
        ("ratio: 0.3\npivots: 10#20", "pivots is '10#20'; write a list, such as [10, 20]"),
        ("ratio: 0.3\npivots: 0", "pivots is 0; write a list"),
        ("ratio: 0.3\npivots:", "pivots is None; write a list"),
        ("ratio: 0.3\npivots: {1: 2}", "pivots is {1: 2}; write a list"),
        ("ratio: 0.3\nratios: 0.4", "ratios is 0.4; write a list"),
        ("ratio: 0.3\npivots: [1.5]\nratios: [0, 1]", "pivot 1.5 is no layer index"),
        ("ratio: 0.3\npivots: [-1]\nratios: [0, 1]", "pivot -1 is no layer index"),
        ("ratio: 0.3\npivots: [true]\nratios: [0, 1]", "pivot True is no layer index"),
        ("ratio: 0.3\npivots: ['1']\nratios: [0, 1]", "pivot '1' is no layer index"),
        ("ratio: 0.3\npivots: [1]\nratios: [0, x]", "ratio 'x' is no number"),
        ("ratio: 0.3\npivots: [1]\nratios: [0, 2]", "ratio 2 lies outside [0, 1]"),
        ("ratio: 0.3\npivots: [1]\nratios: [0]", "1 pivots make 2 blocks, but 1 ratios were given"),
        ("ratio: 0.3\npivots: [2, 1]\nratios: [0, 1, 0]", "pivots 2#1 do not increase"),
        ("ratio: 0.3\nmodules: [mlp]", "modules is ['mlp']; map module names or patterns to ratios"),
        ("ratio: 0.3\nmodules: 0", "modules is 0; map module names"),
        ("ratio: 0.3\nmodules: {mlp: x}", "mlp: ratio 'x' is no number"),
    ],
)
def test_files_that_give_no_schedule(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        from_yaml(tmp_path, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_message_about_a_files_content_names_the_file(tmp_path: Path) -> None:
    for text in ("", "alphas: 1", "ratio: 7", "ratio: 0.3\npivots: [2, 1]\nratios: [0, 1, 0]"):
        with pytest.raises(UserError, match=r"schedule \S+schedule\.yaml"):
            from_yaml(tmp_path, text)


def test_a_files_ratio_and_alpha_must_agree(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has ratio 0\.4, --ratio is 0\.3: drop one of them"):
        from_yaml(tmp_path, "ratio: 0.4", alpha=0.3)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "schedule.yml"
    path.write_bytes(b"ratio: \xff")
    with pytest.raises(UserError, match="is no YAML: 'utf-8' codec can't decode byte 0xff"):
        merge_schedule(None, str(path), "merged", Scope.ALL)


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "schedule.yaml"
    folder.mkdir()
    with pytest.raises(UserError, match=r"schedule\.yaml can't be read: Is a directory"):
        merge_schedule(None, str(folder), "merged", Scope.ALL)
