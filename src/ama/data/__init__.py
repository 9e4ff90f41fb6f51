"""Text for training and measuring: reading it from files and packing it into blocks of tokens."""

from ama.data.packing import pack
from ama.data.reading import read_texts

__all__ = ["pack", "read_texts"]
