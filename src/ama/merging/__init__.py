"""What the commands that merge checkpoints have in common."""
