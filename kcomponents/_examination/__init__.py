"""The examination of a running `fit`: what observes it, and diagnoses its record."""
