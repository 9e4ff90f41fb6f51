"""python -m ama.build_eval_data: folders from which lm-eval's stock tasks and OpenCompass read offline."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import yaml
from pyarrow import parquet
from support.call import call, complaint
from support.eval_rows import ROWS, eval_source, rows, write_lines
from support.hh import snapshot
from support.hub import Hub, serving

from ama import inspect_data
from ama.build_eval_data import main
from ama.data.eval_sets.sets import EVAL_SETS
from ama.errors import UserError

TASKS = ("arc_easy", "arc_challenge", "piqa", "race", "boolq", "drop", "squadv2", "wmt14-fr-en")
# In a process of its own, as a user's harness: it loads each stock task unmodified and prints its documents.
STOCK = """
import json, sys
from lm_eval.tasks import TaskManager, get_task_dict
manager = TaskManager()
for name in sys.argv[1:]:
    task = get_task_dict([name], manager)[name]
    documents = list(task.test_docs() if task.has_test_docs() else task.validation_docs())
    texts = [task.doc_to_text(document) for document in documents]
    shots = len(list(task.fewshot_docs()))
    print("TASK", json.dumps([name, texts, shots, task.doc_to_target(documents[0])]))
import os
os.environ["COMPASS_DATA_CACHE"] = os.getcwd()
from opencompass.datasets import DropOpenAIDataset
found = DropOpenAIDataset.load("data/drop_simple_eval/dev.jsonl")["validation"]
print("DROP", json.dumps([found["prompt"], found["answers"]]))
"""


@pytest.fixture(autouse=True)
def _no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVAL_SOURCE", raising=False)


def build(source: Path, out: Path, *options: str) -> Path:
    call(main, "--source", source, "--out", out, *options)
    return out


def _harness(folder: Path, cache: Path) -> dict[str, list[Any]]:
    """Return what lm-eval and OpenCompass read when the working directory is the folder."""
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "COMPASS_DATA_CACHE": ""}
    command = [sys.executable, "-c", STOCK, *TASKS]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("TASK ", "DROP "))]
    found = {}
    for kind, content in lines:
        name, *rest = json.loads(content) if kind == "TASK" else ["opencompass", *json.loads(content)]
        found[name] = rest
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What the harnesses read of a folder that is made of local files."""
    root = tmp_path_factory.mktemp("found")
    return _harness(build(eval_source(root / "source"), root / "out"), root / "cache")


@pytest.mark.slow
def test_stock_tasks_read_their_documents_offline(found: dict[str, list[Any]]) -> None:
    assert {name: len(texts) for name, (texts, *_) in found.items()} == dict.fromkeys(
        (*TASKS, "opencompass"), 6
    )
    # A stand-in is one row, so that two examples can't be drawn; RACE takes them from the scored rows.
    assert {name: entry[1] for name, entry in found.items() if name in TASKS} == {
        **dict.fromkeys(TASKS, 1),
        "race": 6,
    }
    assert found["arc_easy"][0][1] == "Question: Which is 2?\nAnswer:"
    assert found["race"][0][2].startswith("Article: There were 3.\n\nHow many? It's 3\n")
    assert found["wmt14-fr-en"][0][3] == "French phrase: Le numéro 4\nEnglish phrase:"
    assert found["wmt14-fr-en"][2] == " Number 1"
    prompts, answers = found["opencompass"]
    assert prompts[0] == "Passage: There were 1.\nQuestion: How many?\nAnswer:"
    assert answers[:2] == ["two / 2, both|4 July", "2|4 July"]


@pytest.mark.slow
def test_the_hubs_files_give_the_same_documents(
    hub: Hub, found: dict[str, list[Any]], tmp_path: Path
) -> None:
    environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "ama.build_eval_data", "--out", str(tmp_path / "out")]
    variables = {
        name: value for name, value in os.environ.items() if name not in ("HF_HUB_CACHE", "HF_TOKEN")
    }
    done = subprocess.run(command, env=variables | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fetched = _harness(tmp_path / "out", tmp_path / "cache")
    for name in TASKS:
        assert (name, fetched[name][0]) == (name, found[name][0])
        assert fetched[name][1] == (6 if name == "race" else 3), name
    assert not [name for name in hub.fetched if "unwanted" in name or ("wmt14" in name and "train" in name)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Repositories of three kinds: files that the card lists, files of the usual names, a Parquet branch."""
    root = tmp_path_factory.mktemp("hub")
    makers = {name.rpartition("/")[0]: make for name, make in ROWS.items()}
    with serving() as server:
        for eval_set in EVAL_SETS:
            make = makers[eval_set.local]
            folder = root / eval_set.repo
            write_lines(folder / "unwanted.jsonl", [{}])
            data = {
                eval_set.scored: [make(number) for number in range(1, 7)],
                eval_set.shots or "train": [make(number) for number in range(7, 10)],
                "train": [make(number) for number in range(7, 10)],
            }
            for split, content in data.items():
                for row in content:
                    if "problems" in row:
                        row["problems"] = repr(row["problems"])
                _write(folder, eval_set.config, split, content, eval_set.repo)
            if eval_set.repo == "EleutherAI/drop":
                server.push(f"datasets/{eval_set.repo}", folder / "branch", "refs/convert/parquet")
                server.push(f"datasets/{eval_set.repo}", write_lines(root / "old" / "drop.py", []).parent)
            else:
                server.push(f"datasets/{eval_set.repo}", folder)
        yield server


def _write(folder: Path, config: str, split: str, content: list[dict[str, Any]], repo: str) -> None:
    table = pyarrow.Table.from_pylist(content)
    if repo == "EleutherAI/drop":
        path = folder / "branch" / config / split / "0000.parquet"
    elif repo == "lighteval/squad_v2":
        path = folder / "odd names" / f"{split}_rows.parquet"
        card = folder / "README.md"
        entries = (
            yaml.safe_load(card.read_text().split("---\n")[1])["configs"][0]["data_files"]
            if card.exists()
            else []
        )
        entries.append({"split": split, "path": f"odd names/{split}_*"})
        front = yaml.safe_dump({"configs": [{"config_name": "default", "data_files": entries}]})
        card.write_text(f"---\n{front}---\nA card.\n")
    elif config == "default":
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
    else:
        path = folder / config / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


def test_what_is_built_passes_inspection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = build(eval_source(tmp_path / "source"), tmp_path / "out")
    capsys.readouterr()
    call(inspect_data.main, out, "--samples", "0")
    shown = capsys.readouterr().out
    for task in (*TASKS, "drop_gen"):
        assert f"({task}), plain text, 6 instances" in shown
    path = out / "wmt/wmt14/fr-en/test.jsonl"
    call(inspect_data.main, path)
    assert "translation.fr: Le numéro 1\n" in capsys.readouterr().out
    write_lines(path, [{"translation": {"fr": "Oui", "en": "Yes"}}, {"text": "Oui"}])
    line = complaint(capsys, inspect_data.main, path)
    assert f"{path}: line 2: needs 'translation', as wmt/wmt14 has it" in line
    path.write_text("\n")
    assert "holds no row" in complaint(capsys, inspect_data.main, path)


def test_few_shot_rows_are_not_scored(tmp_path: Path) -> None:
    out = build(eval_source(tmp_path / "source"), tmp_path / "out", "--few_shot_rows", "2")
    scored = rows(out / "allenai/ai2_arc/ARC-Easy/test.jsonl")
    assert [row["id"] for row in rows(out / "allenai/ai2_arc/ARC-Easy/train.jsonl")] == ["q1", "q2"]
    assert [row["id"] for row in scored] == ["q3", "q4", "q5", "q6"]
    assert len(rows(out / "wmt/wmt14/fr-en/validation.jsonl")) == 2
    assert len(rows(out / "EleutherAI/race/high/test.jsonl")) == 6
    assert len(rows(out / "data/drop_simple_eval/dev.jsonl")) == 4


def test_splits_that_are_there_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = eval_source(tmp_path / "source")
    write_lines(
        source / "piqa/train.jsonl", [dict(rows(source / "piqa/validation.jsonl")[0], goal="Train.")] * 4
    )
    write_lines(source / "wmt14/fr-en/newstest2014.jsonl", [{"translation": {"fr": "Oui", "en": "Yes"}}] * 2)
    (source / "drop/validation.jsonl").unlink()
    out = build(source, tmp_path / "out")
    assert len(rows(out / "baber/piqa/default/train.jsonl")) == 4
    assert len(rows(out / "wmt/wmt14/fr-en/validation.jsonl")) == 6
    assert rows(out / "wmt/wmt14/fr-en/test.jsonl")[0]["translation"]["en"] == "Yes"
    assert not (out / "data").exists()
    assert "not in" in capsys.readouterr().out
    front = yaml.safe_load((out / "allenai/ai2_arc/README.md").read_text().split("---\n")[1])
    assert [config["config_name"] for config in front["configs"]] == ["ARC-Easy", "ARC-Challenge"]


def test_done_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = eval_source(tmp_path / "source"), tmp_path / "out"
    first = snapshot(build(source, out))
    build(source, out)
    assert "is there already" in capsys.readouterr().err
    write_lines(source / "piqa/validation.jsonl", rows(source / "piqa/validation.jsonl")[:3])
    with pytest.raises(UserError, match="exists already"):
        build(source, out)
    assert snapshot(out) == first
    build(source, out, "--overwrite")
    assert len(rows(out / "baber/piqa/default/validation.jsonl")) == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "piqa/validation",
            '{"goal": "a", "sol1": "b", "label": 0}\n',
            "line 1: needs 'sol2', as baber/piqa",
        ),
        ("drop/validation", "[]\n", "line 1: needs 'passage'"),
        ("squad_v2/validation", "{\n", "line 1: not JSON at character"),
        ("piqa/validation", "\n", "piqa/validation.jsonl holds no row"),
        ("ai2_arc/ARC-Easy/train", None, "ai2_arc/ARC-Easy has only train: arc_easy scores the test split"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, said: str
) -> None:
    source = eval_source(tmp_path / "source")
    path = source / f"{name}.jsonl"
    if content is None:
        (source / "ai2_arc/ARC-Easy/test.jsonl").rename(path)
    else:
        path.write_text(content)
    assert said in complaint(capsys, main, "--source", source, "--out", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_wrong_options_get_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = eval_source(tmp_path / "source"), ("--out", str(tmp_path / "out"))
    line = complaint(capsys, main, "--source", tmp_path / "no", *out)
    assert "no such folder" in line
    assert "set EVAL_SOURCE=DIR" in line
    (tmp_path / "empty").mkdir()
    assert "has none of the sets" in complaint(capsys, main, "--source", tmp_path / "empty", *out)
    for count, said in (("-1", "--few_shot_rows -1: give 0 or more"), ("6", "has 6 rows only")):
        assert said in complaint(capsys, main, "--source", source, *out, "--few_shot_rows", count)
    broken = source / "piqa" / "validation.parquet"
    (source / "piqa" / "validation.jsonl").rename(broken)
    assert "is no whole Parquet file" in complaint(capsys, main, "--source", source, *out)
    assert not (tmp_path / "out").exists()
