"""A model folder that can learn, and texts to learn from."""

from pathlib import Path

from support.tiny import make_llama, make_tokenizer

EASY = "the model before and after RLHF " * 40
OTHER = "RLHF the RLHF before RLHF model " * 40


def make_learner(folder: Path, **config: object) -> Path:
    """Save a tiny Llama with the tokenizer of ten words, and return the folder."""
    return make_tokenizer(make_llama(folder, 1, **config))


def write_text(folder: Path, name: str = "easy.txt", text: str = EASY) -> Path:
    """Write a text file and return its path."""
    path = folder / name
    path.write_text(text)
    return path
