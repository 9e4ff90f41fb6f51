"""Anthropic's HH-RLHF: found, read, split into training and held-out parts, written as a folder of ours."""
