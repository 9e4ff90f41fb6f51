"""Train a tiny pair of models: before, on English, and after, the same model trained on for code."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from code_texts import standard_library_texts
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ama.checkpoint.staging import staged_folder, staging_of
from ama.data import pack, read_texts
from ama.errors import UserError
from ama.models import load_tokenizer, save_model
from ama.settings.training import TrainingSettings
from ama.training.sft import train_rows

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class PairSettings:
    """The size of the pair and of its training.

    Attributes:
        train_characters: of each training text.
        test_characters: of each held-out text.
        vocabulary: tokens, of which 257 are the bytes and the end of text.
        layers: of the model.
        width: of the model.
        block_size: tokens in a block.
        code_share: blocks of code that before sees too, as a share of its blocks of prose.
        before_steps: optimizer steps of before.
        before_lr: its peak learning rate.
        after_steps: optimizer steps of after.
        after_lr: its peak learning rate.
    """

    train_characters: int = 650_000
    test_characters: int = 40_000
    vocabulary: int = 512
    layers: int = 6
    width: int = 64
    block_size: int = 128
    code_share: float = 0.15
    before_steps: int = 320
    before_lr: float = 5e-3
    after_steps: int = 150
    after_lr: float = 2e-3


def build_pair(folder: Path, seed: int, settings: PairSettings | None = None) -> None:
    """Make texts, an untrained model, `before` and `after` under `folder`; what is there already is kept.

    Args:
        folder: gets `texts/{prose,code}_{train,test}.txt`, `fresh/`, `before/` and `after/`.
        seed: of the fresh weights and the order of the blocks.
        settings: sizes, the defaults if None.

    Raises:
        UserError: if the folder holds a pair of another seed or version of Python.
    """
    settings = settings or PairSettings()
    _claim(folder, {"seed": seed, "python": platform.python_version()})
    texts, fresh, before, after = (folder / name for name in ("texts", "fresh", "before", "after"))
    if not texts.exists():
        _say("collecting docstrings and code of the standard library")
        _write_texts(texts, settings)
    prose, code = (read_texts([texts / f"{kind}_train.txt"]) for kind in ("prose", "code"))
    if not fresh.exists():
        _say("training the tokenizer")
        save_model(_config(settings), _train_tokenizer([*prose, *code], settings.vocabulary), fresh)
    tokenizer = load_tokenizer(fresh)
    prose_blocks, code_blocks = (pack(text, tokenizer, settings.block_size) for text in (prose, code))
    if not before.exists():
        _say("training before, on prose")
        some_code = round(settings.code_share * len(prose_blocks))
        blocks = torch.cat([prose_blocks, code_blocks[:some_code]])
        training = _training(settings.before_lr, settings.before_steps, seed)
        train_rows(fresh, _rows(blocks), before, training, block_size=settings.block_size, fresh=True)
    if not after.exists():
        _say("training after, on code")
        training = _training(settings.after_lr, settings.after_steps, seed + 1)
        train_rows(before, _rows(code_blocks), after, training, block_size=settings.block_size)


def _claim(folder: Path, origin: dict[str, int | str]) -> None:
    note = folder / "pair.json"
    if note.is_file() and (held := json.loads(note.read_text())) != origin:
        raise UserError(
            f"{folder} holds a pair of {held}, not of {origin}: choose another folder, or remove it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(origin))


def _write_texts(folder: Path, settings: PairSettings) -> None:
    with staged_folder(folder):
        texts = standard_library_texts(settings.train_characters, settings.test_characters)
        for name, text in texts.items():
            (staging_of(folder) / f"{name}.txt").write_text(text, encoding="utf-8")


def _train_tokenizer(texts: list[str], vocabulary: int) -> PreTrainedTokenizerBase:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    factory: Any = PreTrainedTokenizerFast
    return factory(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT)  # type: ignore[no-any-return]


def _config(settings: PairSettings) -> LlamaConfig:
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=settings.vocabulary,
        hidden_size=settings.width,
        intermediate_size=2 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )


def _training(lr: float, steps: int, seed: int) -> TrainingSettings:
    return TrainingSettings(lr=lr, max_steps=steps, batch=8, micro_batch=8, warmup=0.05, seed=seed)


def _rows(blocks: torch.Tensor) -> list[dict[str, list[int]]]:
    return [{"input_ids": ids, "labels": ids} for ids in blocks.tolist()]


def _say(text: str) -> None:
    sys.stderr.write(f"{text} ...\n")
