"""Reading, merging and writing checkpoints: streamed, checked beforehand, renamed into place."""
