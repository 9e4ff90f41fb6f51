"""lm-eval's tasks as a measure."""
