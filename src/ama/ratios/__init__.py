"""Learning the ratios: the model that mixes as it runs, the objective, its training and its search."""
