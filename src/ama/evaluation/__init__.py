"""Measuring models, and the file of scores that every evaluation appends to."""
