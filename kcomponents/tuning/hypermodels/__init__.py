"""Hypermodels: ready ones, and wrappers that search over existing models."""
