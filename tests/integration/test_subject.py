"""What evaluations measure: an average in memory, or an adapter, is the checkpoint that would be written."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support.command import interpolate
from support.masking import released_mask
from support.tiny import make_llama, make_tokenizer, scatter
from transformers import AutoModelForCausalLM

from ama.errors import UserError
from ama.evaluation.subject import Subject, subjects_of
from ama.settings.evaluation import SubjectSettings


def subjects(**options: Any) -> list[Subject]:
    return subjects_of(SubjectSettings(**options))


def same(subject: Subject, folder: Path, dtype: str = "auto") -> None:
    """Check that a subject is the checkpoint of a folder, bit for bit."""
    (written,) = subjects(models=[str(folder)])
    (one, tokens), (other, others) = subject.load(dtype), written.load(dtype)
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert tensor.dtype == states[1][name].dtype
        assert torch.equal(tensor, states[1][name]), name
    drop = {"_name_or_path"}
    configs = [{k: v for k, v in model.config.to_dict().items() if k not in drop} for model in (one, other)]
    assert configs[0] == configs[1]
    assert one.generation_config.to_dict() == other.generation_config.to_dict()
    assert not one.training
    assert tokens.get_vocab() == others.get_vocab()
    assert tokens.chat_template == others.chat_template


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Two models of different dtypes; after has settings of generation and a chat template."""
    make_tokenizer(make_llama(tmp_path / "before", 1, torch.float32, tie_word_embeddings=True))
    make_tokenizer(make_llama(tmp_path / "after", 2, torch.bfloat16, tie_word_embeddings=True), "{{ 1 }}")
    settings = {"eos_token_id": [2, 5], "do_sample": True, "temperature": 0.5}
    (tmp_path / "after" / "generation_config.json").write_text(json.dumps(settings))
    return str(tmp_path / "before"), str(tmp_path / "after")


@pytest.mark.parametrize("dtype", ["auto", "float32", "bfloat16"])
@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        ("0.3", ("--alpha", "0.3")),
        ("split|0#1|0.6|0.4|0.2", ("--schedule", "split|0#1|0.6|0.4|0.2", "--alpha", "0.5")),
    ],
)
def test_an_average_in_memory_is_the_written_one(
    pair: tuple[str, str], tmp_path: Path, schedule: str, arguments: tuple[str, ...], dtype: str
) -> None:
    before, after = pair
    (subject,) = subjects(before=before, after=after, schedule=[schedule], ratio=0.5)
    assert (subject.model, subject.schedule) == (f"{before} + {after}", schedule)
    assert subject.folder is None
    same(subject, interpolate(*pair, tmp_path / "out", *arguments), dtype)


def test_a_half_precision_average_is_rounded_as_the_written_one(tmp_path: Path) -> None:
    for number, name in enumerate(("before", "after")):
        make_tokenizer(make_llama(tmp_path / name, number, torch.bfloat16))
    pair = str(tmp_path / "before"), str(tmp_path / "after")
    (subject,) = subjects(before=pair[0], after=pair[1], schedule=["0.3"], scope="linear")
    out = interpolate(*pair, tmp_path / "out", "--alpha", "0.3", "--scope", "linear")
    for dtype in ("auto", "float32"):
        same(subject, out, dtype)


def test_learned_ratios_and_a_file_of_ratios(pair: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("ratio: 0.4\nmodules: {'*q_proj': 0.1}\n")
    mask = tmp_path / "mask_alphas.bin"
    torch.save(released_mask(), mask)
    both = subjects(before=pair[0], after=pair[1], schedule=[str(tmp_path / "s.yaml"), str(mask)])
    assert [subject.ratio for subject in both] == [0.4, 0.2]
    assert both[0].fingerprint != both[1].fingerprint
    for number, subject in enumerate(both):
        given = [tmp_path / "s.yaml", mask][number]
        same(subject, interpolate(*pair, tmp_path / f"out{number}", "--schedule", str(given)))


def test_an_adapter_is_what_merging_it_gives(pair: tuple[str, str], tmp_path: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(pair[1])
    base.name_or_path = pair[1]
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"]))
    scatter(model, 3)
    model.save_pretrained(tmp_path / "adapter")
    (subject,) = subjects(models=[str(tmp_path / "adapter")])
    assert (subject.schedule, subject.ratio) == ("", None)
    same(subject, interpolate(pair[1], tmp_path / "adapter", tmp_path / "out", "--alpha", "0"))
    (average,) = subjects(before=pair[1], after=str(tmp_path / "adapter"), schedule=["0.5"])
    same(average, interpolate(pair[1], tmp_path / "adapter", tmp_path / "half", "--alpha", "0.5"))
    config = tmp_path / "adapter" / "adapter_config.json"
    content = json.loads(config.read_text())
    for place, said in (("gone", r"adapter .*: no such folder: gone"), (None, "names no base_model")):
        config.write_text(json.dumps({**content, "base_model_name_or_path": place}))
        with pytest.raises(UserError, match=said):
            subjects(models=[str(tmp_path / "adapter")])


def test_a_fingerprint_changes_with_inputs_and_ratios(pair: tuple[str, str]) -> None:
    before, after = pair
    many = subjects(models=[before, after], before=before, after=after, schedule=["0.3", "0.4", "0", "1"])
    prints = [subject.fingerprint for subject in many]
    assert len(set(prints)) == 6
    assert [subject.fingerprint for subject in subjects(models=[before, after])] == prints[:2]
    make_llama(Path(before), 9, tie_word_embeddings=True)
    (changed,) = subjects(before=before, after=after, schedule=["0.3"])
    assert changed.fingerprint != prints[2]
    assert many[2].label == "before + after 0.3"
    assert subjects(models=[f"{after}/"])[0].model == after


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "nothing to measure: give --models"),
        ({"before": "before"}, "--after is missing: an average in memory needs"),
        ({"before": "before", "after": "after"}, "--schedule is missing: .* such as --schedule 0.3"),
        ({"after": "after", "schedule": ["0.3"]}, "--before is missing"),
        ({"before": "before", "after": "after", "schedule": ["1.5"]}, r"ratio 1.5 lies outside \[0, 1\]"),
        (
            {"before": "before", "after": "after", "schedule": ["half"]},
            "'half' is neither a split tag .* nor a ratio",
        ),
        ({"before": "before", "after": "after", "schedule": ["split|9|1|0"], "ratio": 0.0}, "pivot 9"),
        ({"before": "before", "after": "after", "schedule": ["split|1|1|0"]}, "say --ratio 0.3"),
        ({"before": "before", "after": "before", "schedule": ["0.3"]}, "are the same folder"),
        ({"models": ["missing"]}, "no such folder: missing"),
        ({"models": ["."]}, "not a model folder"),
    ],
)
@pytest.mark.usefixtures("pair")
def test_mistakes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        subjects(**options)
