"""The reward-tax front: its numbers with their errors, its pictures, and the page to look at them."""
