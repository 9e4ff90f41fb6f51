"""Sampling and scoring: what does not change the result, where a reply ends, and one line for a mistake."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch
from support.masking import FAMILIES, LAYERS, VOCABULARY, save_tokenizer, tiny_model
from transformers import LlamaForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from ama.errors import UserError
from ama.models import load_model, load_reward_model, load_tokenizer, new_reward_model
from ama.sampling import batches, generation
from ama.sampling.encoding import check_vocabulary, encode_dialogues, padding_id
from ama.sampling.generation import sample_replies
from ama.sampling.prompt_cache import prompt_cache
from ama.sampling.reward import score_texts
from ama.settings.sampling import SamplingSettings

PROMPTS = [f"###Human: {'w1 w5 ' * count}###Assistant:" for count in (1, 4, 2, 7, 3, 3)]
SETTINGS = SamplingSettings(samples=2, max_new_tokens=10, sample_batch=5)
MARK, END = 2, 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampling") / "model"
    model = tiny_model("llama", 1)
    model.config.eos_token_id = model.generation_config.eos_token_id = END
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(folder)


@pytest.fixture
def model(folder: Path) -> PreTrainedModel:
    return load_model(folder)


@pytest.fixture(scope="module")
def judge(folder: Path) -> PreTrainedModel:
    torch.manual_seed(4)
    return new_reward_model(folder)


def test_the_seed_decides_and_an_interruption_does_not(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    saved: dict[int, list[str]] = {}
    state = torch.random.get_rng_state()
    replies = sample_replies(model, tokenizer, PROMPTS, SETTINGS, saved.__setitem__)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert sorted(saved) == [0, 1, 2]
    assert len(set(replies)) > 6
    done = {1: saved[1]}
    again: list[int] = []
    resumed = sample_replies(model, tokenizer, PROMPTS, SETTINGS, lambda n, _: again.append(n), done)
    assert (resumed, again) == (replies, [0, 2])
    other = SamplingSettings(samples=2, max_new_tokens=10, sample_batch=5, seed=1)
    assert sample_replies(model, tokenizer, PROMPTS, other) != replies


class Group:
    """Stand-in for a group of processes that run one after the other: a gather knows the earlier ones'."""

    def __init__(self, size: int) -> None:
        self.size, self.parts = size, dict[int, Any]()

    def ranks(self, module: str) -> Iterator[int]:
        for rank in range(self.size):
            with (
                patch(f"ama.sampling.{module}.rank_and_size", return_value=(rank, self.size)),
                patch(f"ama.sampling.{module}.gather_batches", self._gather),
            ):
                yield rank

    def _gather(self, own: Mapping[int, Any]) -> dict[int, Any]:
        assert not self.parts.keys() & own.keys()
        self.parts |= own
        return self.parts


def test_processes_share_the_batches(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, judge: PreTrainedModel
) -> None:
    whole = sample_replies(model, tokenizer, PROMPTS, SETTINGS)
    for _ in Group(2).ranks("generation"):
        shared = sample_replies(model, tokenizer, PROMPTS, SETTINGS)
    assert shared == whole
    scores = score_texts(judge, tokenizer, PROMPTS, 2)
    for _ in Group(3).ranks("reward"):
        parts = score_texts(judge, tokenizer, PROMPTS, 2)
    assert parts == scores


def test_padding_does_not_change_replies_or_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, judge: PreTrainedModel
) -> None:
    together, alone = (
        sample_replies(
            model, tokenizer, PROMPTS, SamplingSettings(temperature=0, max_new_tokens=8, sample_batch=size)
        )
        for size in (6, 1)
    )
    assert together == alone
    texts = [prompt + reply for prompt, reply in zip(PROMPTS, together, strict=True)]
    assert score_texts(judge, tokenizer, texts, 6) == pytest.approx(
        score_texts(judge, tokenizer, texts, 1), abs=1e-6
    )


@pytest.mark.parametrize("family", [*FAMILIES, "sliding"])
def test_prompts_that_are_read_once_give_the_same_replies(
    family: str, tokenizer: PreTrainedTokenizerBase
) -> None:
    model = tiny_model("llama" if family == "sliding" else family, 1)
    if family == "sliding":
        model.config.sliding_window, model.config.layer_types = 4, ["sliding_attention"] * LAYERS
    read, kinds = generation.prompt_cache, list[bool]()

    def noted(*arguments: Any) -> Any:
        cache = read(*arguments)
        kinds.append(cache is not None)
        return cache

    settings = SamplingSettings(samples=3, max_new_tokens=6, sample_batch=18)
    with patch.object(generation, "prompt_cache", noted):
        once = sample_replies(model, tokenizer, PROMPTS, settings)
    assert kinds == [family != "sliding"]
    with patch.object(generation, "prompt_cache", lambda *_: None):
        assert sample_replies(model, tokenizer, PROMPTS, settings) == once
    assert len(set(once)) > 6


def test_each_prompt_is_read_once_with_little_padding(model: PreTrainedModel) -> None:
    rows = [[5] * length for length in (60, 20, 19, 2, 1) for _ in range(4)]
    passes: list[tuple[int, ...]] = []
    forward = model.model.forward

    def noted(**inputs: Any) -> Any:
        passes.append(tuple(inputs["input_ids"].shape))
        return forward(**inputs)

    with patch.object(model.model, "forward", noted), torch.no_grad():
        cache = prompt_cache(model, rows, END)
    # All in one pass would be (5, 59), or (20, 60) as generate reads them.
    assert passes == [(2, 59), (2, 18)]
    assert cache is not None
    assert cache.get_seq_length() == 59
    with torch.no_grad():
        alone = model(torch.tensor([[5] * 19]), use_cache=True).past_key_values
    for found, expected in zip(cache.layers, alone.layers, strict=True):
        torch.testing.assert_close(found.keys[7:8, :, -19:], expected.keys, atol=1e-6, rtol=1e-5)
        assert not found.keys[-1].any()


def test_a_score_is_the_models_output_at_the_last_word(
    tokenizer: PreTrainedTokenizerBase, judge: PreTrainedModel
) -> None:
    ids = torch.tensor([tokenizer("w1 w2 w3")["input_ids"]])
    with torch.no_grad():
        expected = judge.score(judge.model(ids).last_hidden_state[:, -1]).item()
    assert score_texts(judge, tokenizer, ["w1 w2 w3", "w4"])[0] == pytest.approx(expected, abs=1e-6)


def _always(model: PreTrainedModel, script: list[int]) -> None:
    """Let a model say a script of tokens, whatever it is given."""
    forward, width = model.forward, len(PROMPTS[0].split())

    def scripted(*args: Any, **options: Any) -> Any:
        outputs = forward(*args, **options)
        mask = options["attention_mask"]
        outputs.logits.fill_(-1e9)
        outputs.logits[..., script[min(int(mask[0].sum()) - width, len(script) - 1)]] = 0
        return outputs

    model.forward = scripted


@pytest.mark.parametrize(
    ("script", "reply", "steps"),
    [
        ([7, 8, END, 9], " w3 w4", 3),
        ([7, 8, 9, MARK, 10, 11], " w3 w4 w5", 4),
        ([7, 8, 9, 10], " w3 w4 w5 w6 w6 w6 w6 w6 w6 w6", 10),
    ],
)
def test_a_reply_ends_at_the_end_of_text_or_the_next_turn(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, script: list[int], reply: str, steps: int
) -> None:
    _always(model, script)
    calls = 0
    forward = model.forward

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        return forward(*args, **options)

    model.forward = counted
    replies = sample_replies(model, tokenizer, PROMPTS[:1], SamplingSettings(max_new_tokens=10))
    assert replies[0].rstrip() == reply
    assert calls == steps


def test_batches_hold_each_row_once_and_like_lengths() -> None:
    lengths = [3, 9, 1, 9, 4, 2, 8]
    cut = batches.batches_by_length(lengths, 3)
    assert [[lengths[row] for row in batch] for batch in cut] == [[9, 9, 8], [4, 3, 2], [1]]
    assert sorted(row for batch in cut for row in batch) == list(range(7))


def test_a_dialogue_is_prompt_reply_and_one_end(tokenizer: PreTrainedTokenizerBase) -> None:
    (encoded,) = encode_dialogues(tokenizer, ["###Human: w1 ###Assistant:"], [" w2 w3"])
    assert encoded.ids == [2, 5, 3, 6, 7, END]
    assert encoded.prompt_length == 3


def test_padding_falls_back_to_the_end_of_text(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.pad_token is None
    assert padding_id(tokenizer) == END
    none = SimpleNamespace(pad_token_id=None, eos_token_id=None, name_or_path="here")
    with pytest.raises(UserError, match="the tokenizer of here has neither a padding nor"):
        padding_id(none)  # type: ignore[arg-type]


def test_mistakes(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, judge: PreTrainedModel, tmp_path: Path
) -> None:
    long = " ".join(["w1"] * 60)
    with pytest.raises(UserError, match=r"prompt 1 has 60 tokens, which with 5 new ones is more than .* 64"):
        sample_replies(model, tokenizer, ["w1", long], SamplingSettings(max_new_tokens=5))
    with pytest.raises(UserError, match="prompt 0 is empty"):
        sample_replies(model, tokenizer, [""], SETTINGS)
    with pytest.raises(UserError, match=r"text 1 has 65 tokens, and the reward model .* a context of 64"):
        score_texts(judge, tokenizer, ["w1", f"{long} w1 w1 w1 w1"])
    tokenizer_of_more = load_tokenizer(Path(tokenizer.name_or_path))
    tokenizer_of_more.add_tokens(["more"])
    with pytest.raises(UserError, match=f"has {VOCABULARY + 1} tokens, and the model .* only {VOCABULARY}"):
        check_vocabulary(model, tokenizer_of_more)
    two = LlamaForSequenceClassification(model.config)
    assert two.config.num_labels == 2
    two.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has 2 outputs: give one that was trained with num_labels 1"):
        load_reward_model(tmp_path)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"samples": 0}, "--samples 0: give 1 or more"),
        ({"temperature": -1.0}, "--temperature -1.0: give 0 or more"),
        ({"top_p": 0.0}, r"--top_p 0.0: give a number in \(0, 1\]"),
        ({"top_k": -1}, "--top_k -1: give 0 or more"),
        ({"seed": -1}, r"--seed -1: give a number in \[0, 4.29497e\+09\]"),
    ],
)
def test_settings_are_checked(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        SamplingSettings(**setting)
