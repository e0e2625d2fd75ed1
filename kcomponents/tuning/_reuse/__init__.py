"""Reuse of compiled models by trials that differ in numbers only."""
