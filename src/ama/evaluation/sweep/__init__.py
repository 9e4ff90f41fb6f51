"""Sweeps over averages of two models: their points, and the file that says what was measured of them."""
