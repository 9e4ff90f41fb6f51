"""ama.console.command: settings from words and YAML, their record, and one line for each mistake."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pytest
import yaml

from ama.console.command import Command
from ama.errors import UserError
from ama.settings.base import Settings, option


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Paint(Settings):
    """How it is painted.

    Not in the title.
    """

    out: Path = option(help="100 % of a folder", metavar="DIR", aliases=("output_dir",))
    rate: float = option(0.1, "of drying", above=0)
    coats: int = option(2, "how many", low=1, high=9)
    limit: int | None = option(None, "stop early", low=1)
    colour: Colour = option(Colour.RED, "of all")
    tool: Literal["brush", "roller"] = option("brush", "to take")
    size: int | Literal["auto"] = option(16, "of the tool", low=1)
    walls: tuple[str, ...] = option(("north", "south"), "which")
    curve: tuple[tuple[str, ...], ...] = option((), "several", repeated=True)
    word: tuple[str, ...] = option((), "several", repeated=True)
    gloss: bool = option(False, "shine")
    dry: bool = option(True, "wait")
    local_rank: int = option(-1, hidden=True)

    def check(self) -> None:
        if self.gloss and self.tool == "roller":
            raise UserError("--gloss needs a brush")


@dataclass(frozen=True, kw_only=True)
class House(Settings):
    """What is painted."""

    house: Path = option(help="its folder", positional=True, metavar="HOUSE")


PAINT = Command("paint", "Paint.\n  Indented.", Paint, House)
NEEDED = ("villa", "--out", "o")


def paint(*words: str) -> Paint:
    return PAINT.parse([*NEEDED, *words])[Paint]


def in_yaml(tmp_path: Path, text: str) -> tuple[str, ...]:
    (tmp_path / "c.yaml").write_text(text)
    return ("--config", str(tmp_path / "c.yaml"))


def test_every_kind_of_setting_is_read_from_words() -> None:
    words = ["--rate", "1e-3", "--limit", "7", "--colour", "blue", "--size", "auto", "--walls", "east"]
    lists = ["--curve", "a", "1", "2", "--curve", "b", "3", "--word", "x y", "--word", "z"]
    found = paint(*words, *lists, "--gloss", "--dry", "false", "--local_rank=3")
    assert found == Paint(
        out=Path("o"),
        rate=1e-3,
        limit=7,
        colour=Colour.BLUE,
        size="auto",
        walls=("east",),
        curve=(("a", "1", "2"), ("b", "3")),
        word=("x y", "z"),
        gloss=True,
        dry=False,
        local_rank=3,
    )
    assert isinstance(found.colour, Colour)
    assert isinstance(found.out, Path)


def test_defaults_are_those_of_the_group() -> None:
    assert paint() == Paint(out=Path("o"))


def test_an_instance_gives_other_defaults() -> None:
    other = Command("paint", "", Paint(out=Path("shed"), coats=3))
    assert other.parse([])[Paint] == Paint(out=Path("shed"), coats=3)
    assert other.parse(["--coats", "4"])[Paint].coats == 4


def test_settings_made_in_python_take_text_and_lists() -> None:
    found = Paint(out="o", colour="blue", walls=["north"], curve=[["a", "1"]])  # type: ignore[arg-type]
    assert found == Paint(out=Path("o"), colour=Colour.BLUE, walls=("north",), curve=(("a", "1"),))
    assert isinstance(found.out, Path)
    assert isinstance(found.colour, Colour)


@pytest.mark.parametrize(("name", "value"), [("colour", "green"), ("tool", "spoon"), ("coats", 10)])
def test_settings_made_in_python_are_checked(name: str, value: object) -> None:
    with pytest.raises(UserError, match=f"--{name}.*{value}"):
        Paint(out=Path("o"), **{name: value})  # type: ignore[arg-type]


def test_an_old_name_goes_on_working() -> None:
    assert PAINT.parse(["villa", "--output_dir", "here"])[Paint].out == Path("here")


def test_yaml_gives_the_same_and_later_words_win(tmp_path: Path) -> None:
    text = "rate: 1\ncolour: blue\ncurve: [[a, 0.1], [b]]\nwalls: [1, east]\n"
    text += "gloss: true\nlimit: null\nsize: auto"
    found = paint(*in_yaml(tmp_path, text), "--rate", "2")
    assert found.rate == 2
    assert found.curve == (("a", "0.1"), ("b",))
    assert found.walls == ("1", "east")
    assert (found.colour, found.gloss, found.limit, found.size) == (Colour.BLUE, True, None, "auto")


def test_what_is_printed_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--colour", "blue", "--curve", "a", "1", "--dry", "false", "--rate", "1e-5")
    with pytest.raises(SystemExit) as exit_:
        paint(*words, "--print_config")
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert PAINT.parse(in_yaml(tmp_path, printed))[Paint] == paint(*words)
    assert yaml.safe_load(printed)["house"] == "villa"


def test_a_file_of_arguments(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("--rate\n3\n--coats=4\n")
    found = paint(f"@{tmp_path / 'words'}", "--coats", "5")
    assert (found.rate, found.coats) == (3, 5)


def test_the_record_holds_every_setting_but_hidden_ones() -> None:
    record = PAINT.parse([*NEEDED, "--curve", "a", "1"]).record()
    assert record["curve"] == [["a", "1"]]
    assert record["colour"] == "red"
    assert record["out"] == "o"
    assert record["house"] == "villa"
    assert "local_rank" not in record


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rat", "1"], "there is no option --rat: did you mean --rate?"),
        (["--output_dirr=1"], "there is no option --output_dirr: did you mean --out?"),
        (["--zzzz"], "there is no option --zzzz (see"),
        (["more"], "'more' belongs to no option"),
        (["--rate", "abc"], "--rate: 'abc' is not a number"),
        (["--rate", "0"], "--rate 0.0: give a number above 0"),
        (["--rate", "nan"], "--rate nan: give a number above 0"),
        (["--coats", "1.5"], "--coats: '1.5' is not a whole number"),
        (["--coats", "10"], "--coats 10: give a number in [1, 9]"),
        (["--limit", "0"], "--limit 0: give 1 or more"),
        (["--colour", "green"], "--colour: 'green' is not red or blue"),
        (["--size", "x"], "--size: 'x' is not a whole number or auto"),
        (["--dry", "perhaps"], "--dry: 'perhaps' is not true or false"),
        (["--walls"], "--walls: expected at least one argument"),
        (["--tool", "roller", "--gloss"], "--gloss needs a brush"),
        (["@nowhere"], "@nowhere: No such file or directory"),
        (["--config", "nowhere.yaml"], "--config nowhere.yaml: can't be read: No such file or directory"),
    ],
)
def test_a_mistake_on_the_command_line(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        paint(*words)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ratee: 1", "there is no setting 'ratee': did you mean rate?"),
        ("output_dir: o", "there is no setting 'output_dir': did you mean out?"),
        ("1: 2", "there is no setting '1'"),
        ("rate: abc", "--rate: 'abc' is not a number"),
        ("rate: true", "--rate: 'True' is not a number"),
        ("coats: [1, 2]", "--coats: '[1, 2]' is not a whole number"),
        ("coats: 1.5", "--coats: '1.5' is not a whole number"),
        ("coats: null", "coats has no value: give one, or leave the line out"),
        ("walls: east", "walls is 'east': give a list"),
        ("curve: [a]", "curve is '['a']': give a list of lists"),
        ("gloss: 3", "gloss is '3': give true or false"),
        ("colour: green", "--colour: 'green' is not red or blue"),
        ("- 3", "holds no settings"),
        ("rate: [", "is no YAML"),
    ],
)
def test_a_mistake_in_yaml_names_the_file(text: str, said: str, tmp_path: Path) -> None:
    config = in_yaml(tmp_path, text)
    with pytest.raises(UserError) as caught:
        paint(*config)
    message = str(caught.value)
    assert said in message
    assert message.startswith(f"--config {config[1]}: ")
    assert "\n" not in message


def test_what_is_required_is_missed_by_name() -> None:
    with pytest.raises(UserError, match=r"--out, HOUSE are missing"):
        PAINT.parse([])


def test_help_explains(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        PAINT.parse(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    for part in ("Paint.\n  Indented.", "How it is painted:", "100 % of a folder", "(default: north south)"):
        assert part in text
    assert "local_rank" not in text
    assert "Not in the title" not in text


def test_two_groups_of_a_command_share_no_name() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Other(Settings):
        """Others."""

        rate: float = option(1.0, "again")

    with pytest.raises(AssertionError, match="'rate'"):
        Command("paint", "", Paint, Other).parse([])


def test_the_environment_may_give_a_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Source(Settings):
        """Sources."""

        source: Path | None = option(None, "a folder", environment="PAINT_SOURCE")

    def found(*words: str) -> Path | None:
        return Command("paint", "", Source).parse(words)[Source].source

    monkeypatch.delenv("PAINT_SOURCE", raising=False)
    assert found() is None
    monkeypatch.setenv("PAINT_SOURCE", "here")
    assert found() == Path("here")
    assert found("--source", "there") == Path("there")
    with pytest.raises(SystemExit):
        found("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "a folder; PAINT_SOURCE in the environment does the same" in shown
