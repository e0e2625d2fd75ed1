"""Existing models with other activations."""
