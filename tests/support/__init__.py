"""What several test files build: tiny checkpoints, a tokenizer, a call of ama.interpolate in this process."""
