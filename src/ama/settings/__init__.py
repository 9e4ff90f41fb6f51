"""The settings of every command: one frozen dataclass for each group, the only home of its options."""
