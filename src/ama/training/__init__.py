"""Training a causal language model on packed text with the Hugging Face Trainer."""

from ama.training.language_model import TrainingSettings, train

__all__ = ["TrainingSettings", "train"]
