"""Adaptive model averaging: a model's weights averaged with those before RLHF, against the alignment tax."""

__version__ = "0.1.0"
