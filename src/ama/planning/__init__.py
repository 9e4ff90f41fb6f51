"""What the stages of an experiment need, estimated before any of them runs."""
