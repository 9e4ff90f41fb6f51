"""PairRM's preference for replies over references as a measure."""
