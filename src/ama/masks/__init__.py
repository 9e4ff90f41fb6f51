"""Learned ratios: the masked model, its training, and the artifact that a merge follows."""
