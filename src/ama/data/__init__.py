"""Data for training and measuring: reading and checking files, packing text, preparing public data sets."""

from ama.data.packing import pack
from ama.data.reading import read_texts

__all__ = ["pack", "read_texts"]
