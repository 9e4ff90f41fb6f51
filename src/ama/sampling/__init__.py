"""Sampling replies from a language model and scoring them with a reward model, in large batches."""

from ama.sampling.generation import SamplingSettings, sample_replies
from ama.sampling.reward import score_texts

__all__ = ["SamplingSettings", "sample_replies", "score_texts"]
