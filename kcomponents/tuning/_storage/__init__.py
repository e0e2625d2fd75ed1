"""Storage of a search: its trials, weights and settings."""
