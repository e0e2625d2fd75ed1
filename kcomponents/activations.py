"""Activation functions, and `get`, which finds one by its name."""
