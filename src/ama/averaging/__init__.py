"""Averaging two models: where each tensor comes from and by what ratio, and the engines that carry it out."""
