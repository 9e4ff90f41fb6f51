"""The sandbox's pair: the same each time, finished stages kept, two models that can be averaged."""

from pathlib import Path

import pytest
import torch
from support.command import interpolate
from support.tiny import load
from transformers import AutoModelForCausalLM, AutoTokenizer

from ama.errors import UserError
from ama.sandbox.pair import PairSettings, build_pair

SMALL = PairSettings(
    train_characters=30_000, test_characters=5_000, layers=2, width=16, before_steps=6, after_steps=4
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    build_pair(folder, 0, SMALL)
    return folder


def _same(one: Path, other: Path) -> bool:
    first, second = load(one), load(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_has_texts_and_two_models_that_average(pair: Path, tmp_path: Path) -> None:
    texts = sorted(path.name for path in (pair / "texts").iterdir())
    assert texts == ["code_test.txt", "code_train.txt", "prose_test.txt", "prose_train.txt"]
    assert not _same(pair / "before", pair / "after")
    merged = interpolate(pair / "before", pair / "after", tmp_path / "merged", "--alpha", "0.4")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(merged), AutoTokenizer.from_pretrained(merged)
    assert not model.config.tie_word_embeddings
    text = "def façade(x):\n    return '日本語'\n"
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert tokenizer.decode(ids[0]) == text
    assert torch.isfinite(model(ids).logits).all()


def test_the_same_seed_gives_the_same_pair_and_another_another(pair: Path, tmp_path: Path) -> None:
    build_pair(tmp_path / "same", 0, SMALL)
    build_pair(tmp_path / "other", 1, SMALL)
    assert _same(tmp_path / "same" / "after", pair / "after")
    assert not _same(tmp_path / "other" / "before", pair / "before")


def test_finished_stages_are_kept_and_missing_ones_made_again(pair: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in pair.rglob("*") if path.is_file()}
    build_pair(pair, 0, SMALL)
    del times[pair / "pair.json"]
    assert {path: path.stat().st_mtime_ns for path in times} == times
    after = load(pair / "after")
    for path in (pair / "after").iterdir():
        path.unlink()
    (pair / "after").rmdir()
    build_pair(pair, 0, SMALL)
    again = load(pair / "after")
    assert all(torch.equal(again[name], after[name]) for name in after)


def test_a_folder_with_a_pair_of_another_seed_is_refused(pair: Path) -> None:
    with pytest.raises(UserError, match=r"'seed': 0.* not of .*'seed': 5"):
        build_pair(pair, 5, SMALL)
