"""Compiled models, used again for trials that differ in nothing but numbers."""
