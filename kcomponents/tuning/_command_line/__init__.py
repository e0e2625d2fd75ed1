"""`python -m kcomponents search`."""
