"""Search spaces: what a choice registers, counts and becomes."""
