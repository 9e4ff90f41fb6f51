"""ama.evaluate_pairrm: llm-blender's own answers, mirrored by swapping, kept across a crash, mistakes."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from support.call import call, complaint
from support.hh import instances
from support.hub import serving
from support.masking import save_scene
from support.pairrm import TEXTS, blender, save_pairrms
from transformers import AutoTokenizer

from ama import evaluate_pairrm, interpolate
from ama.evaluation.measures.pairrm import comparisons
from ama.evaluation.measures.pairrm.judge import CANDIDATE_TOKENS, SOURCE_TOKENS
from ama.evaluation.scores import Score, read_scores
from ama.sampling.journal import Journal

WORDS = " ".join(TEXTS).split()
Row = dict[str, Score]
ORIGINAL, PORT = "PairRM", "PairRM-hf"


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pairrms(tmp_path_factory.mktemp("pairrm"))


def _texts(seed: int, longest: int = 12) -> list[str]:
    source = random.Random(seed)
    return [" ".join(source.choices(WORDS, k=source.randint(1, longest))) for _ in range(11)]


PROMPTS = [f"{number}. {text}" for number, text in enumerate(_texts(1))]


def _write(path: Path, replies: Sequence[str], prompts: Sequence[str] = PROMPTS) -> Path:
    """Write replies as AlpacaEval writes a model's outputs."""
    rows = [{"instruction": p, "output": r, "generator": "x"} for p, r in zip(prompts, replies, strict=True)]
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def replies(tmp_path: Path) -> Path:
    return _write(tmp_path / "ours.json", ["", *_texts(2, 60)[1:]])


@pytest.fixture
def references(tmp_path: Path) -> Path:
    return _write(tmp_path / "theirs.json", _texts(3, 60))


def _compare(
    replies: Path, references: Path, pairrm: Path, *more: str
) -> tuple[dict[str, Score], list[float]]:
    """Compare two files in a folder of their own; return the rows by metric, and the logits."""
    place = replies.parent / f"{replies.stem}_{references.stem}_{pairrm.name}_{len(more)}"
    options = ("--replies", replies, "--references", references, "--pairrm", pairrm)
    call(evaluate_pairrm.main, *options, "--scores", place / "scores.jsonl", *more)
    (path,) = place.rglob("pairrm_*.json")
    assert not list(place.rglob("*.jsonl"))[1:]
    rows = {score.metric: score for score in read_scores(place / "scores.jsonl")}
    return rows, [float(row["logit"]) for row in instances(path)]


def _outputs(path: Path) -> list[str]:
    return [row["output"] for row in json.loads(path.read_text())]


def test_the_original_answers_as_llm_blenders_compare(replies: Path, references: Path, judges: Path) -> None:
    rows, logits = _compare(replies, references, judges / ORIGINAL)
    judge, sides = blender(judges), (_outputs(replies), _outputs(references))
    assert logits == judge.compare(PROMPTS, *sides, return_logits=True).tolist()
    wins = judge.compare(PROMPTS, *sides).tolist()
    assert 0 < sum(wins) < len(wins)
    assert rows["win_rate"].value == pytest.approx(sum(wins) / len(wins))
    spread = torch.tensor(wins, dtype=torch.float64).std()
    assert rows["win_rate"].stderr == pytest.approx(float(spread) / len(wins) ** 0.5)
    assert rows["length"].value == pytest.approx(sum(map(len, sides[0])) / len(wins))
    assert rows["reference_length"].value == pytest.approx(sum(map(len, sides[1])) / len(wins))
    assert {(row.group, row.task, row.backend, row.backend_version, row.n) for row in rows.values()} == {
        ("pairrm", "theirs", "llm-blender", "0.0.2", len(wins))
    }


def test_another_batch_answers_as_llm_blender_with_that_batch(
    replies: Path, references: Path, judges: Path
) -> None:
    _, logits = _compare(replies, references, judges / ORIGINAL, "--batch_size", "11")
    sides = (_outputs(replies), _outputs(references))
    expected = blender(judges).compare(PROMPTS, *sides, return_logits=True, batch_size=11)
    assert logits == expected.tolist()


def test_the_port_answers_as_its_model_card_asks(replies: Path, references: Path, judges: Path) -> None:
    from llm_blender.blender.blender_utils import tokenize_pair
    from llm_blender.pair_ranker.pairrm import DebertaV2PairRM

    _, logits = _compare(replies, references, judges / PORT, "--batch_size", "11")
    model = DebertaV2PairRM.from_pretrained(judges / PORT).eval()
    tokenizer = AutoTokenizer.from_pretrained(judges / PORT)
    sides = (_outputs(replies), _outputs(references))
    asked = [
        tokenize_pair(tokenizer, PROMPTS, *order, SOURCE_TOKENS, CANDIDATE_TOKENS)
        for order in (sides, sides[::-1])
    ]
    with torch.no_grad():
        first, second = (model(**encoded).logits for encoded in asked)
    assert logits == (first - second).tolist()


def test_both_layouts_of_the_same_weights_agree(tmp_path: Path, judges: Path) -> None:
    files = [_write(tmp_path / f"{seed}.json", _texts(seed, 4)) for seed in (4, 5)]
    (_, original), (_, port) = (_compare(*files, judges / layout) for layout in (ORIGINAL, PORT))
    assert original == pytest.approx(port, abs=1e-5)
    assert max(map(abs, original)) > 1e-2


@pytest.mark.parametrize("layout", [ORIGINAL, PORT])
def test_swapping_mirrors_and_a_set_ties_with_itself(
    replies: Path, references: Path, judges: Path, layout: str
) -> None:
    there, forth = _compare(replies, references, judges / layout)
    back, opposite = _compare(references, replies, judges / layout)
    assert opposite == [-logit for logit in forth]
    assert there["win_rate"].value + back["win_rate"].value == pytest.approx(1)
    assert there["win_rate"].stderr == pytest.approx(back["win_rate"].stderr)
    assert there["length"].value == back["reference_length"].value
    same = _write(replies.parent / "same.json", _outputs(replies))
    rows, ties = _compare(replies, same, judges / layout)
    assert ties == [0.0] * len(ties)
    assert (rows["win_rate"].value, rows["win_rate"].stderr) == (0.5, 0)


def test_dialogues_are_put_as_llm_blender_puts_them(tmp_path: Path, judges: Path) -> None:
    turns = [_texts(seed, 3) for seed in (6, 7, 8)]
    prompts = [
        f"###Human: {a}###Assistant: {b}###Human: {c}###Assistant:" for a, b, c in zip(*turns, strict=True)
    ]
    sides = [[f" {text}" for text in _texts(seed)] for seed in (9, 10)]
    files = []
    for name, side in zip(("ours", "theirs"), sides, strict=True):
        rows = [{"input": prompt, "output": reply} for prompt, reply in zip(prompts, side, strict=True)]
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps({"type": "text2text", "instances": rows}))
    _, logits = _compare(files[0], files[1], judges / ORIGINAL)

    def talk(texts: tuple[str, ...]) -> list[dict[str, str]]:
        roles = ("USER", "ASSISTANT", "USER", "ASSISTANT")
        return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]

    talks = [[talk(texts) for texts in zip(*turns, side, strict=True)] for side in sides]
    assert logits == blender(judges).compare_conversations(*talks, return_logits=True).tolist()


def test_a_run_that_was_cut_short_keeps_what_it_had(replies: Path, references: Path, judges: Path) -> None:
    _, whole = _compare(replies, references, judges / ORIGINAL, "--task", "whole")
    finite, asked = comparisons._finite, []

    def stop_in_the_second_batch(logits: list[float]) -> list[float]:
        asked.append(logits)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return finite(logits)

    with patch.object(comparisons, "_finite", stop_in_the_second_batch):
        with pytest.raises(KeyboardInterrupt):
            _compare(replies, references, judges / ORIGINAL)
        assert not list(replies.parent.glob("ours_theirs_PairRM_0/scores.jsonl"))
        rows, logits = _compare(replies, references, judges / ORIGINAL)
    assert logits == whole
    assert [len(batch) for batch in asked] == [4, 4, 4, 3]
    assert len(rows) == 3


def test_processes_share_the_batches(tmp_path: Path) -> None:
    class Judge:
        def logits(self, inputs: Sequence[str], first: Sequence[str], second: Sequence[str]) -> list[float]:
            return [float(len(a) - len(b)) for a, b in zip(first, second, strict=True)]

    sides = (_texts(2), _texts(3))
    asked = list(zip(PROMPTS, *sides, strict=True))
    whole = comparisons._logits(Judge(), asked, 2, Journal(tmp_path, "whole"))
    assert whole == [len(a) - len(b) for a, b in zip(*sides, strict=True)]
    parts: dict[int, list[float]] = {}

    def gathered(own: dict[int, list[float]]) -> dict[int, list[float]]:
        assert not parts.keys() & own.keys()
        parts.update(own)
        return parts

    for rank in range(3):
        with (
            patch.object(comparisons, "rank_and_size", return_value=(rank, 3)),
            patch.object(comparisons, "gather_batches", gathered),
        ):
            shared = comparisons._logits(Judge(), asked, 2, Journal(tmp_path, "shared"))
    assert shared == whole


def test_what_was_measured_is_not_measured_again(
    replies: Path, references: Path, judges: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, _ = _compare(replies, references, judges / ORIGINAL)
    assert f"ours.json: win_rate on theirs {rows['win_rate'].value:.4f}" in capsys.readouterr().err
    with patch("ama.evaluation.measures.pairrm.measure.load_pairrm", side_effect=AssertionError):
        assert _compare(replies, references, judges / ORIGINAL)[0] == rows
    assert (
        "ours.json: win_rate on theirs is there already (--rerun measures again)" in capsys.readouterr().err
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of 40 words, and outputs of two models to instructions in these words."""
    scene = save_scene(tmp_path_factory.mktemp("models"))
    rows = [
        {"instruction": f"w{i} w{i + 1}", "outputs": {"one": f"w{i}", "other": f"w{i + 2} w3"}}
        for i in range(9)
    ]
    content = {"type": "instruction_to_outputs", "instances": rows}
    (scene / "alpaca.json").write_text(json.dumps(content))
    return scene


def _measure(scene: Path, judges: Path, out: Path, *more: str | Path) -> tuple[dict[str, Score], list[Any]]:
    places = (
        "--references",
        scene / "alpaca.json",
        "--reference_name",
        "other",
        "--scores",
        out / "scores.jsonl",
    )
    sizes = ("--max_new_tokens", "8", "--pairrm", judges / PORT)
    call(evaluate_pairrm.main, *places, *sizes, *more)
    (path,) = out.rglob("pairrm_*.json")
    return {score.metric: score for score in read_scores(out / "scores.jsonl")}, instances(path)


def test_an_average_in_memory_is_its_written_checkpoint(scene: Path, judges: Path, tmp_path: Path) -> None:
    pair = ("--before", scene / "before", "--after", scene / "after")
    call(interpolate.main, *pair, "--alpha", "0.3", "--out", tmp_path / "merged")
    written, pairs = _measure(scene, judges, tmp_path / "written", "--models", tmp_path / "merged")
    made, others = _measure(scene, judges, tmp_path / "made", *pair, "--schedule", "0.3")
    assert pairs == others
    assert len({row["output"] for row in pairs}) > 5
    assert [row["reference"] for row in pairs] == [f"w{i + 2} w3" for i in range(9)]
    for metric, row in written.items():
        assert (made[metric].value, made[metric].stderr) == (row.value, row.stderr)
        assert (made[metric].schedule, made[metric].settings["ratio"]) == (row.schedule, 0.3)
        assert row.seed == 0


def test_models_are_asked_by_their_chat_template(scene: Path, judges: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(scene / "after")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    tokenizer.save_pretrained(scene / "after")
    texts: list[str] = []

    def sampled(model: Any, tokenizer: Any, prompts: Sequence[str], *_: Any) -> list[str]:
        texts.extend(prompts)
        return ["w1"] * len(prompts)

    with patch("ama.sampling.rollout.sample_replies", sampled):
        _measure(scene, judges, tmp_path / "auto", "--models", scene / "after", "--system", "Be w1.")
        _measure(scene, judges, tmp_path / "never", "--models", scene / "after", "--chat_template", "never")
    assert texts[0] == "system: Be w1.\nuser: w0 w1\nassistant:"
    assert texts[9] == "###Human: w0 w1###Assistant:"


def test_prompts_of_their_own(scene: Path, judges: Path, tmp_path: Path) -> None:
    prompts = [f"###Human: w{i}###Assistant:" for i in range(5)]
    rows = [{"input": prompt, "output": " w7"} for prompt in prompts]
    (tmp_path / "theirs.json").write_text(json.dumps({"type": "text2text", "instances": rows}))
    texts = [{"text": prompt} for prompt in reversed(prompts[1:])]
    (tmp_path / "prompts.json").write_text(json.dumps({"type": "text_only", "instances": texts}))
    options = ("--models", scene / "before", "--references", tmp_path / "theirs.json", "--limit", "3")
    options += ("--prompts", tmp_path / "prompts.json", "--max_new_tokens", "4", "--pairrm", judges / PORT)
    call(evaluate_pairrm.main, *options, "--scores", tmp_path / "scores.jsonl")
    (path,) = tmp_path.rglob("pairrm_*.json")
    assert [row["input"] for row in instances(path)] == prompts[:1:-1]
    assert {score.n for score in read_scores(tmp_path / "scores.jsonl")} == {3}


@pytest.mark.slow
def test_the_hub_gives_pairrm_and_its_base_but_is_not_asked_for_a_folder(
    judges: Path, tmp_path: Path
) -> None:
    original = tmp_path / "PairRM"
    original.mkdir()
    (original / "model.safetensors").symlink_to(judges / ORIGINAL / "model.safetensors")
    config = json.loads((judges / ORIGINAL / "config.json").read_text()) | {"model_name": "owner/base"}
    (original / "config.json").write_text(json.dumps(config))
    code = (
        "import sys\n"
        "from ama.errors import UserError\n"
        "from ama.evaluation.measures.pairrm.judge import find_pairrm\n"
        "for source in sys.argv[1:]:\n"
        "    try:\n"
        "        place = find_pairrm(source)\n"
        "        print((place.folder / 'config.json').is_file(), (place.base / 'tokenizer.json').is_file())\n"
        "    except UserError as error:\n"
        "        print(error)\n"
    )
    with serving() as hub:
        hub.push("owner/PairRM", original)
        hub.push("owner/base", judges / "base")
        variables = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
        variables["HF_HUB_OFFLINE"] = "0"
        command = [sys.executable, "-c", code, str(original), "owner/PairRM", str(original)]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        fetched = {name.split("/")[1] for name in hub.fetched}
    before, there, after = done.stdout.splitlines()
    assert "was trained from owner/base, which is neither a folder nor in the hub's cache" in before
    assert (there, after) == ("True True", "True True")
    assert fetched == {"PairRM", "base"}


def _lines(judges: Path, replies: Path, references: Path) -> Iterator[tuple[tuple[str | Path, ...], str]]:
    files = ("--replies", replies, "--references", references)
    spoiled = replies.parent / "spoiled"
    spoiled.mkdir()
    (spoiled / "config.json").write_text((judges / ORIGINAL / "config.json").read_text())
    other = _write(replies.parent / "other.json", _texts(2), [f"{prompt}?" for prompt in PROMPTS])
    blank = _write(replies.parent / "blank.json", [" "] * len(PROMPTS))
    alpaca = replies.parent / "alpaca.json"
    row = {"instruction": PROMPTS[0], "outputs": {"one": "1", "two": "2"}}
    alpaca.write_text(json.dumps({"type": "instruction_to_outputs", "instances": [row]}))
    lost = replies.parent / "lost"
    lost.mkdir()
    for path in (judges / ORIGINAL).iterdir():
        (lost / path.name).symlink_to(path)
    config = json.loads((lost / "config.json").read_text()) | {"model_name": "microsoft/deberta-v3-large"}
    (lost / "config.json").unlink()
    (lost / "config.json").write_text(json.dumps(config))
    yield (*files, "--pairrm", judges / "base"), "is no PairRM: its config.json has neither ranker_type"
    yield (*files, "--pairrm", spoiled), "spoiled holds no weights"
    yield (*files, "--pairrm", "nowhere"), "no such folder: nowhere"
    yield (
        (*files, "--pairrm", lost),
        "deberta-v3-large, which is neither a folder nor in the hub's cache",
    )
    good = ("--pairrm", judges / ORIGINAL)
    yield (
        ("--replies", other, "--references", references, *good),
        "theirs.json has no reference for 11 of 11 prompts",
    )
    yield ("--replies", blank, "--references", references, *good), "blank.json are empty, all 11 of them"
    yield ("--replies", replies, "--references", blank, *good), "the references of"
    yield ("--replies", replies, "--references", alpaca, *good), "has outputs of one, two: say whose"
    yield (*files, "--models", "x", *good), "--replies takes the place of --models, --before"
    yield ("--references", references, *good), "nothing to measure"
    yield ("--replies", replies, "--references", "gone.json", *good), "gone.json is missing"


def test_mistakes_get_one_line(
    judges: Path, replies: Path, references: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = replies.parent / "scores.jsonl"
    cases = list(_lines(judges, replies, references))
    before = set(replies.parent.rglob("*"))
    for arguments, said in cases:
        line = complaint(capsys, evaluate_pairrm.main, *arguments, "--scores", scores)
        assert said in line
        assert set(replies.parent.rglob("*")) == before


def test_weights_that_are_missing_or_break_are_no_answer(
    judges: Path, replies: Path, references: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file, save_file

    folder = replies.parent / "judge"
    folder.mkdir()
    (folder / "config.json").write_text((judges / ORIGINAL / "config.json").read_text())
    weights = load_file(judges / ORIGINAL / "model.safetensors")
    broken = {**weights, "head_layer.1.bias": torch.full_like(weights["head_layer.1.bias"], float("nan"))}
    weights.pop("head_layer.4.bias")
    arguments = ("--replies", replies, "--references", references, "--pairrm", folder)
    arguments += ("--scores", replies.parent / "scores.jsonl")
    torch.save(weights, folder / "pytorch_model.bin")
    assert "its weights lack head_layer.4.bias" in complaint(capsys, evaluate_pairrm.main, *arguments)
    (folder / "pytorch_model.bin").unlink()
    save_file(broken, folder / "model.safetensors", metadata={"format": "pt"})
    assert "a logit that is not finite" in complaint(capsys, evaluate_pairrm.main, *arguments)
    assert not (replies.parent / "scores.jsonl").exists()


@pytest.mark.realdata
@pytest.mark.slow
def test_two_real_sets_of_replies(judges: Path, tmp_path: Path) -> None:
    source = os.environ.get("ALPACA_EVAL_SOURCE")
    if not source:
        pytest.skip("ALPACA_EVAL_SOURCE names no local copy of AlpacaEval")
    files = [
        Path(source) / "model_outputs" / f"{name}.json" for name in ("text_davinci_003", "gpt4_1106_preview")
    ]
    scores = tmp_path / "scores.jsonl"
    options = ("--pairrm", judges / ORIGINAL, "--batch_size", "16", "--scores", scores)
    call(evaluate_pairrm.main, "--replies", files[0], "--references", files[1], *options)
    call(evaluate_pairrm.main, "--replies", files[1], "--references", files[0], *options)
    rates = [score for score in read_scores(scores) if score.metric == "win_rate"]
    assert [rate.n for rate in rates] == [805, 805]
    assert sum(rate.value for rate in rates) == pytest.approx(1)
    lengths = {score.model: score.value for score in read_scores(scores) if score.metric == "length"}
    assert lengths[str(files[1])] > 3 * lengths[str(files[0])]
