"""Scores of constant and simple predictions, with NumPy alone."""
