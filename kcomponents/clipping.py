"""Gradient clipping on plain lists of gradients."""
