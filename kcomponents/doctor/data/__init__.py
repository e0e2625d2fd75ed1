"""Rules on the data alone, before any training."""
