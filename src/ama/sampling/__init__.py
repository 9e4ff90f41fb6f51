"""Sampling replies from a language model and scoring them with a reward model, in large batches."""
