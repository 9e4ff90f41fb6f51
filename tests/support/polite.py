"""A tiny world with a preference that can be learned in seconds: polite replies are better than rude ones."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from ama import train_reward, train_sft
from ama.data.samples import read_samples
from ama.models import load_model, load_reward_model, load_tokenizer, quiet
from ama.sampling.generation import sample_replies
from ama.sampling.reward import score_texts
from ama.settings.sampling import SamplingSettings
from support.call import call
from support.shared import once

POLITE = ["please", "thanks", "kindly", "gladly"]
RUDE = ["no", "never", "shut", "hush"]
TOPICS = [f"w{i}" for i in range(12)]
WORDS = ["<pad>", "<eos>", "<unk>", "###Human:", "###Assistant:", *POLITE, *RUDE, *TOPICS]
REPLY = 4


def save_world(folder: Path) -> Path:
    """Save `fresh` (an untrained model), sft.json, pairs.json, prompts.json and eval.json in `folder`."""
    quiet()
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    config = LlamaConfig(
        vocab_size=len(WORDS), max_position_embeddings=64, tie_word_embeddings=False, **sizes, **ends
    )
    LlamaForCausalLM(config).save_pretrained(folder / "fresh")
    backend = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    backend.pre_tokenizer = WhitespaceSplit()
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder / "fresh")
    source = random.Random(3)
    texts = [{"text": _prompt(source) + _reply(source, RUDE if i % 3 else POLITE)} for i in range(600)]
    write(folder / "sft.json", "text_only", texts)
    pairs = [
        {"prompt": _prompt(source), "chosen": _reply(source, POLITE), "rejected": _reply(source, RUDE)}
        for _ in range(400)
    ]
    write(folder / "pairs.json", "paired_text_to_text", pairs)
    for name, count in (("prompts", 96), ("eval", 128)):
        write(folder / f"{name}.json", "text_only", [{"text": _prompt(source)} for _ in range(count)])
    return folder


def write(path: Path, kind: str, instances: list[dict[str, Any]]) -> None:
    """Write LMFlow JSON."""
    path.write_text(json.dumps({"type": kind, "instances": instances}))


def _prompt(source: random.Random) -> str:
    return f"###Human: {' '.join(source.choices(TOPICS, k=source.randint(1, 5)))} ###Assistant:"


def _reply(source: random.Random, manner: list[str]) -> str:
    words = [source.choice(manner if source.random() < 0.5 else TOPICS) for _ in range(REPLY - 1)]
    words.insert(source.randrange(REPLY), source.choice(manner))
    return f" {' '.join(words)}"


def train_before(world: Path) -> Path:
    """Train `before`, which is polite one time in three, as `before` in the world's folder."""
    places = ("--model", world / "fresh", "--data", world / "sft.json", "--out", world / "before")
    sizes = ("--block_size", "32", "--batch", "32", "--micro_batch", "32")
    call(train_sft.main, *places, *sizes, "--max_steps", "100", "--lr", "1e-2", "--loss_on", "response")
    return world / "before"


def train_judge(world: Path) -> Path:
    """Train a reward model that likes politeness, as `judge` in the world's folder."""
    places = ("--model", world / "before", "--data", world / "pairs.json", "--out", world / "judge")
    sizes = ("--batch", "16", "--micro_batch", "16", "--held_out", "0.3")
    call(train_reward.main, *places, *sizes, "--max_steps", "40", "--lr", "3e-3")
    return world / "judge"


def trained_world(folder: Path, judge: bool = True) -> Path:
    """Copy the world with before, and the judge unless that is not wanted, which are trained once for all."""
    made = once("polite", _train)
    shutil.copytree(
        made, folder, dirs_exist_ok=True, ignore=None if judge else shutil.ignore_patterns("judge")
    )
    return folder


def _train(folder: Path) -> None:
    save_world(folder)
    train_before(folder)
    train_judge(folder)


def rewards(world: Path, model: Path) -> Tensor:
    """Return the reward of a reply to each held-out prompt, float64 of shape (128,)."""
    prompts = [sample.prompt for sample in read_samples(world / "eval.json")]
    settings = SamplingSettings(max_new_tokens=8, sample_batch=128)
    replies = sample_replies(load_model(model), load_tokenizer(model), prompts, settings)
    texts = [prompt + reply for prompt, reply in zip(prompts, replies, strict=True)]
    judge = world / "judge"
    scores = score_texts(load_reward_model(judge), load_tokenizer(judge), texts, 128)
    return torch.tensor(scores, dtype=torch.float64)


def gain(world: Path, model: Path) -> float:
    """Return by how many standard errors a model's mean reward exceeds that of before."""
    difference = rewards(world, model) - rewards(world, world / "before")
    return float(difference.mean() / (difference.std() / len(difference) ** 0.5))
