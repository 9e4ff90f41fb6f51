"""A tiny pair of models that is trained on the spot, without a network, to try the commands on."""
