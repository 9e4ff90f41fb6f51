"""Samples that a model is trained on: which of their tokens count."""

from enum import StrEnum


class LossOn(StrEnum):
    """Which tokens the likelihood counts."""

    TEXT = "text"
    RESPONSE = "response"
